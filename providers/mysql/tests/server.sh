#!/usr/bin/env bash
# Starts and stops a throw-away MariaDB server for the tests: bound to 127.0.0.1, on a free port, with a password.
#   eval "$(providers/mysql/tests/server.sh start DIR)"   sets PORTICO_TEST_MYSQL_URL; DIR must not exist yet
#   providers/mysql/tests/server.sh stop DIR              stops that server and removes DIR
set -euo pipefail

usage() { echo "usage: $0 start|stop DIR" >&2; exit 2; }
[ $# -eq 2 ] || usage
directory=$(realpath -m "$2")
PATH="$PATH:/usr/sbin:/usr/local/sbin"
server=$(command -v mariadbd || true)
install=$(command -v mariadb-install-db || true)
[ -n "$server" ] && [ -n "$install" ] || { echo "$0: no MariaDB server is installed (apt-get install mariadb-server)" >&2; exit 1; }

# The server refuses to run as root. `runuser` would stay as its parent, and stop with it for good when a test stops the server for a while.
as_server() { if [ "$(id -u)" -eq 0 ]; then setpriv --reuid=mysql --regid=mysql --init-groups -- "$@"; else "$@"; fi; }

# Whether the process that DIR names is still the server that was started there, and no other that got its number.
runs() { [ -f "$directory/pid" ] && tr '\0' ' ' < "/proc/$(cat "$directory/pid")/cmdline" 2>/dev/null | grep -qF -- "--datadir=$directory/data"; }

case "$1" in
  start)
    [ ! -e "$directory" ] || { echo "$0: $directory exists already" >&2; exit 1; }
    mkdir -p "$directory"
    if [ "$(id -u)" -eq 0 ]; then chown mysql "$directory"; fi
    password=$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')
    cd "$directory"
    as_server "$install" --no-defaults --datadir="$directory/data" --auth-root-authentication-method=normal --skip-test-db \
      > "$directory/install.log" 2>&1 || { cat "$directory/install.log" >&2; exit 1; }
    # Run before the server listens. It also makes the user known under the one host name that TCP clients here come from.
    printf "CREATE USER 'portico'@'127.0.0.1' IDENTIFIED BY '%s';\nGRANT ALL ON *.* TO 'portico'@'127.0.0.1' WITH GRANT OPTION;\nDROP USER 'root'@'localhost';\n" \
      "$password" > "$directory/init.sql"
    if [ "$(id -u)" -eq 0 ]; then chown mysql "$directory/init.sql"; fi
    chmod 600 "$directory/init.sql"
    for _ in 1 2 3 4 5; do
      port=$((20000 + RANDOM % 30000))
      as_server "$server" --no-defaults --datadir="$directory/data" --bind-address=127.0.0.1 --port="$port" --skip-name-resolve \
        --socket="$directory/server.sock" --pid-file="$directory/pid" --init-file="$directory/init.sql" --max-connections=200 --userstat=1 \
        --innodb-flush-log-at-trx-commit=0 --innodb-flush-method=nosync --innodb-doublewrite=0 --sync-binlog=0 \
        --character-set-server=utf8mb4 --collation-server=utf8mb4_general_ci ${PORTICO_TEST_MYSQL_OPTIONS:-} \
        > "$directory/server.log" 2>&1 < /dev/null &
      started=$!
      for _ in $(seq 200); do
        kill -0 "$started" 2>/dev/null || break
        if grep -q "ready for connections" "$directory/server.log" 2>/dev/null && runs; then
          rm -f "$directory/init.sql"
          echo "export PORTICO_TEST_MYSQL_URL=mysql://portico:$password@127.0.0.1:$port/"
          exit 0
        fi
        sleep 0.1
      done
      if runs; then kill -9 "$(cat "$directory/pid")"; fi
      rm -f "$directory/pid"
    done
    cat "$directory/server.log" >&2
    exit 1
    ;;
  stop)
    [ -d "$directory/data" ] || { echo "$0: $directory holds no server" >&2; exit 1; }
    cd /
    if runs; then
      pid=$(cat "$directory/pid")
      kill -9 "$pid"
      for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
    fi
    rm -rf "$directory"
    ;;
  *) usage ;;
esac
