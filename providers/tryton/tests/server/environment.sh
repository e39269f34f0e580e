#!/usr/bin/env bash
# Makes what the tests of Tryton need: a Python environment with the server, and a database with demonstration data. Tryton is free software under
# the GPL; it is installed from its packages and runs as a process of its own.
#   providers/tryton/tests/server/environment.sh sum         prints what the environment is known by: the sum of all that it is made from
#   providers/tryton/tests/server/environment.sh build DIR   makes it in DIR, which must not exist yet; PORTICO_TEST_TRYTON=DIR tells the tests
set -euo pipefail

usage() { echo "usage: $0 sum | build DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
modules="sale purchase stock account_invoice_stock sale_supply portico_fixture"

case "${1:-}" in
  sum)
    [ $# -eq 1 ] || usage
    (cd "$here" && cat environment.sh requirements.txt demo.py portico_fixture/* | sha256sum | cut -c1-12)
    ;;
  build)
    [ $# -eq 2 ] || usage
    [ ! -e "$2" ] || { echo "$0: $2 exists already" >&2; exit 1; }
    directory=$(realpath -m "$2")
    mkdir -p "$directory"
    python3 -m venv "$directory/python"
    python="$directory/python/bin/python"
    "$python" -m pip install -q --disable-pip-version-check --only-binary=:all: -r "$here/requirements.txt"
    # The server finds modules in its own folder. Only what the module is made of is copied: Python writes its own beside it.
    of_server=$("$python" -c 'import os, trytond.modules; print(os.path.dirname(trytond.modules.__file__))')
    mkdir "$of_server/portico_fixture"
    cp "$here/portico_fixture/__init__.py" "$here/portico_fixture/tryton.cfg" "$of_server/portico_fixture/"
    printf '[database]\nuri = sqlite://\npath = %s\n[queue]\nworker = False\n' "$directory" > "$directory/build.conf"
    echo "tests-of-portico" > "$directory/password"
    touch "$directory/demo.sqlite"
    arguments=()
    for module in $modules; do arguments+=("$module"); done
    {
      TRYTONPASSFILE="$directory/password" "$directory/python/bin/trytond-admin" -c "$directory/build.conf" -d demo --all --email admin@example.org
      "$directory/python/bin/trytond-admin" -c "$directory/build.conf" -d demo -u "${arguments[@]}" --activate-dependencies
      "$python" "$here/demo.py" "$directory/build.conf" demo
    } > "$directory/build.log" 2>&1 || { tail -n 30 "$directory/build.log" >&2; exit 1; }
    touch "$directory/complete"
    ;;
  *) usage ;;
esac
