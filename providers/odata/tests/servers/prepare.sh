#!/usr/bin/env bash
# Fetches and compiles what a test server needs, into a folder that start.sh takes. A folder that is complete is left as it is.
#
#   prepare.sh v4|v2|mock FOLDER
set -euo pipefail

servers=$(realpath "$(dirname "$0")")
kind=${1:?which server: v4, v2 or mock}
folder=$(realpath -m "${2:?the folder to put it in}")
[ ! -e "$folder/complete" ] || exit 0
rm -rf "$folder"
mkdir -p "$folder/jars" "$folder/source" "$folder/classes"

# The jars that a pom names, with the content that was tested, and the sources of Olingo's reference service, compiled with ours.
java_server() {
  local sources=$1 resources=$2
  mvn -q -B -f "$servers/$kind/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$folder/jars"
  (cd "$folder/jars" && sha256sum --check --quiet "$servers/$kind/jars.sha256")
  [ "$(find "$folder/jars" -type f | wc -l)" = "$(wc -l <"$servers/$kind/jars.sha256")" ] || {
    echo "prepare.sh: what was fetched is not what $kind/jars.sha256 lists" >&2
    return 1
  }
  (cd "$folder/source" && "${JAVA_HOME:+$JAVA_HOME/bin/}jar" xf "$folder"/jars/*-source-release.zip)
  find "$folder"/source/*/"$sources" "$servers/$kind/src" "$servers/requests" -name '*.java' >"$folder/files"
  "${JAVA_HOME:+$JAVA_HOME/bin/}javac" -nowarn -proc:none -encoding UTF-8 -cp "$folder/jars/*" -d "$folder/classes" "@$folder/files" \
    2>"$folder/javac.log" || { cat "$folder/javac.log" >&2; return 1; }
  [ ! -d "$folder"/source/*/"$resources" ] || cp -r "$folder"/source/*/"$resources"/. "$folder/classes"
  rm -r "$folder/source" "$folder/files" "$folder"/jars/*-source-release.zip
}

case "$kind" in
  v4) java_server lib/server-tecsvc/src/main/java lib/server-tecsvc/src/main/resources ;;
  v2) java_server odata2-lib/odata-ref/src/main/java odata2-lib/odata-ref/src/main/resources ;;
  mock)
    rm -r "$folder/jars" "$folder/source" "$folder/classes"
    cp "$servers/mock/package.json" "$servers/mock/package-lock.json" "$folder"
    npm ci --silent --no-audit --no-fund --ignore-scripts --prefix "$folder"
    ;;
  *) echo "prepare.sh: unknown server '$kind': there are v4, v2 and mock" >&2; exit 2 ;;
esac
touch "$folder/complete"
