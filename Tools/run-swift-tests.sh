#!/usr/bin/env bash
# Runs the Swift tests, which `make test-swift` has built, in three processes: those of servers and commands mostly wait.
# Some thousand lines of output follow a failure: what failed is repeated at the end.
set -uo pipefail
rm -f .build/swift-tests-*.log
servers='^(ServeTests|HTTPServerTests|HTTPClientTests|DashboardTests|ThreadsTests|TerminalTests)\.'
commands='^(CommandLineTests|StoreTests)\.'
# shellcheck disable=SC2016  # bash -c expands it
run='{ timeout --foreground "$4" .build/release/slmPackageTests.xctest --testing-library swift-testing "$1" "$2" ||
    { test $? -ne 124 || echo "error: the tests of $3 did not end within $4"; false; }; } 2>&1 | tee ".build/swift-tests-$3.log"'
limit=30m       # they take less than ten minutes of two cores
# Not with &, whose programs ignore the signals that the tests send.
printf '%s\n' --filter "$servers" servers $limit --filter "$commands" commands $limit --skip "$servers|$commands" others $limit |
    xargs --delimiter='\n' --max-args=4 --max-procs=3 bash -o pipefail -c "$run" run && exit 0
printf '\nWhat failed:\n'
grep --no-filename --after-context=3 'recorded an issue\|^error:\|Fatal error\|unexpected signal' .build/swift-tests-*.log | grep -v '^◇\|^✔\|^--$'
exit 1
