#!/usr/bin/env bash
# Starts and stops a throw-away PostgreSQL server for the tests: bound to 127.0.0.1, on a free port, with a password.
#   eval "$(providers/postgres/tests/server.sh start DIR)"   sets PORTICO_TEST_POSTGRES_URL; DIR must not exist yet
#   providers/postgres/tests/server.sh stop DIR              stops that server and removes DIR
set -euo pipefail

usage() { echo "usage: $0 start|stop DIR" >&2; exit 2; }
[ $# -eq 2 ] || usage
directory=$(realpath -m "$2")
binaries=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 || true)
[ -n "$binaries" ] || binaries=$(dirname "$(command -v pg_ctl || true)")
[ -x "$binaries/initdb" ] || { echo "$0: no PostgreSQL server is installed (apt-get install postgresql)" >&2; exit 1; }

# The server refuses to run as root.
as_server() { if [ "$(id -u)" -eq 0 ]; then setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"; else "$@"; fi; }

case "$1" in
  start)
    [ ! -e "$directory" ] || { echo "$0: $directory exists already" >&2; exit 1; }
    mkdir -p "$directory"
    if [ "$(id -u)" -eq 0 ]; then chown postgres "$directory"; fi
    password=$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')
    printf '%s' "$password" > "$directory/password"
    if [ "$(id -u)" -eq 0 ]; then chown postgres "$directory/password"; fi
    chmod 600 "$directory/password"
    cd "$directory"
    as_server "$binaries/initdb" -D "$directory/data" -A scram-sha-256 --pwfile="$directory/password" -U postgres -E UTF8 --no-sync > "$directory/initdb.log" 2>&1 \
      || { cat "$directory/initdb.log" >&2; exit 1; }
    for _ in 1 2 3 4 5; do
      port=$((20000 + RANDOM % 30000))
      options="-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$directory -c fsync=off -c max_connections=200"
      if as_server "$binaries/pg_ctl" -D "$directory/data" -w -l "$directory/data/server.log" start -o "$options" > /dev/null 2>&1; then
        echo "export PORTICO_TEST_POSTGRES_URL=postgres://postgres:$password@127.0.0.1:$port/postgres"
        exit 0
      fi
    done
    cat "$directory/data/server.log" >&2
    exit 1
    ;;
  stop)
    [ -f "$directory/data/PG_VERSION" ] || { echo "$0: $directory holds no server" >&2; exit 1; }
    cd /
    as_server "$binaries/pg_ctl" -D "$directory/data" -m immediate -w stop > /dev/null
    rm -rf "$directory"
    ;;
  *) usage ;;
esac
