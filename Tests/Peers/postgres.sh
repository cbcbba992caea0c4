#!/usr/bin/env bash
# Runs a temporary PostgreSQL server for tests and deletes its folder at the end of standard input, so also when the caller dies.
#
#     Tests/Peers/postgres.sh < pipe
#
# Prints the server's URL when it is ready. Then reads commands, one a line: `kill` (SIGKILL to all its processes), `stop` (SIGSTOP),
# `continue` (SIGCONT), `start`, `sql STATEMENT`; and answers each with one line, "done" or an error. The server listens on a socket in its
# folder, so several can run at once; SLM_POSTGRES_OPTIONS are more options of the server. The schemas t1 to t256 isolate tests from each other: postgresql://…/slm?options=-csearch_path%3Dt1
set -u
trap '' INT TERM HUP            # a Ctrl-C also reaches this script, which still has to clean up
bin=$(pg_config --bindir 2>/dev/null || true)
[ -x "$bin/initdb" ] || bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
[ -x "$bin/initdb" ] || { echo "PostgreSQL is not installed; these tests need a server. Install it: make test-deps"; exit 1; }

as=()                           # PostgreSQL refuses to run as root
if [ "$(id -u)" = 0 ]; then
    owner=$(id -un postgres 2>/dev/null || echo nobody)
    as=(setpriv --reuid="$owner" --regid="$(id -gn "$owner")" --clear-groups)
fi
folder=$("${as[@]}" mktemp -d /tmp/slm-postgres-XXXXXX) && cd "$folder" || { echo "cannot create a folder for the server"; exit 1; }
exec 2>> shell.log              # where bash reports killed processes
echo "not-for-logs" | "${as[@]}" tee password > /dev/null
export PGPASSWORD=not-for-logs LC_ALL=C.UTF-8

processes() { echo "$server" "$(cat "/proc/$server/task/$server/children" 2>/dev/null)"; }

query() { "$bin/psql" --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --host "$folder" --username slm slm --command "$1" 2>&1; }

start() {
    for _ in $(seq 100); do
        # fsync=off is safe here: tests kill the server, not the machine.
        # Each test migrates a schema of its own, in one transaction with hundreds of locks.
        "${as[@]}" "$bin/postgres" -D data -k "$folder" -c listen_addresses= -c fsync=off -c shared_buffers=16MB -c max_connections=150 \
            -c max_locks_per_transaction=512 -c autovacuum=off ${SLM_POSTGRES_OPTIONS:-} >> log 2>&1 < /dev/null &
        server=$!
        while kill -0 "$server" 2>/dev/null; do
            "$bin/pg_isready" --quiet --host "$folder" --username slm && return
            sleep 0.02
        done
        sleep 0.05              # processes left by a kill are still shutting down
    done
    return 1
}

server=
if ! { "${as[@]}" "$bin/initdb" -D data --username slm --pwfile password --auth scram-sha-256 --encoding UTF8 --locale C.UTF-8 \
        --no-sync --no-instructions > log 2>&1 \
    && start && "$bin/createdb" --host "$folder" --username slm slm && query "$(printf 'CREATE SCHEMA t%d;' $(seq 256))"; }; then
    tr '\n' ' ' < log
    [ -n "$server" ] && kill -9 $(processes)
    rm -rf "$folder"
    exit 1
fi
echo "postgresql://slm:not-for-logs@$(echo "$folder" | sed 's|/|%2F|g')/slm"

while read -r command rest; do
    case $command in
        kill) { kill -9 $(processes); wait "$server"; } 2>/dev/null; echo done ;;
        stop) kill -STOP $(processes) 2>/dev/null; echo done ;;
        continue) kill -CONT $(processes) 2>/dev/null; echo done ;;
        start) start && echo done || tail -1 log ;;
        sql) answer=$(query "$rest") && echo "done $(echo $answer)" || echo $answer ;;
        *) echo "unknown: $command" ;;
    esac
done
{ kill -9 $(processes); wait; } 2>/dev/null
rm -rf "$folder"
