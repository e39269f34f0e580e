#!/usr/bin/env bash
# Starts a test server on 127.0.0.1 and a free port, in this process: it prints its address on a line when it is up, and ends when its standard
# input is closed. By hand: `start.sh v4 FOLDER </dev/zero`, or in the background from a pipe that stays open: `sleep inf | start.sh v4 FOLDER &`.
#
#   start.sh v4|v2|mock FOLDER      FOLDER: what prepare.sh made
set -euo pipefail

servers=$(realpath "$(dirname "$0")")
kind=${1:?which server: v4, v2 or mock}
folder=${2:?the folder that prepare.sh made}
[ -e "$folder/complete" ] || { echo "start.sh: $folder is not prepared: prepare.sh $kind $folder" >&2; exit 1; }
case "$kind" in
  # Starts in half the time without the second compiler, and no test runs long enough to miss it. Olingo 2 compares times with their zone, and makes
  # its own in that of the machine.
  v4 | v2)
    exec "${JAVA_HOME:+$JAVA_HOME/bin/}java" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx256m -Duser.timezone=GMT -Djava.util.logging.config.file="$servers/logging.properties" \
      -cp "$folder/classes:$folder/jars/*" ReferenceServer
    ;;
  mock) exec "${PORTICO_TEST_NODE:-node}" "$servers/mock/src/server.mjs" "$folder" ;;
  *) echo "start.sh: unknown server '$kind': there are v4, v2 and mock" >&2; exit 2 ;;
esac
