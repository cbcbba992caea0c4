#!/usr/bin/env bash
# Runs the Swift tests, which `make test-swift` has built. Some thousand lines of output follow a failure: what failed is repeated at the end.
set -uo pipefail
log=.build/swift-tests.log
swift test -c release --skip-build "$@" 2>&1 | tee "$log" && exit 0
printf '\nWhat failed:\n'
grep --after-context=3 'recorded an issue\|^error:\|Fatal error\|unexpected signal' "$log" | grep -v '^◇\|^✔\|^--$'
exit 1
