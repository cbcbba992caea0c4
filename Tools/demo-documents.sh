#!/usr/bin/env bash
# Trains a model that answers from passages, asks it about documents that it has never seen, and serves it: `make demo-documents`.
# Documentation/Guides/TrainToRead.md explains each command.
#
#   Tools/demo-documents.sh SLM SAMPLE-CHATS FOLDER
#
# STEPS is the length of the training, ISLANDS the number of islands to train on. PORT= ends the demo without a server.
# Fails if the model answers less than LEAST of the questions right.
set -euo pipefail
slm=$(realpath "$1") samples=$(realpath "$2") out=$3
steps=${STEPS:-800} islands=${ISLANDS:-3000} least=${LEAST:-0.8} port=${PORT-8000}
unknown='The documents do not say that.'
mkdir -p "$out/new"
cd "$out"         # the names of the documents are in the passages, and should be short

step() { printf '\n%s\n' "$1"; }
run() {
    printf '   $ slm'; for word; do [[ $word = *' '* ]] && printf ' "%s"' "$word" || printf ' %s' "$word"; done; echo
    "$slm" "$@"
}

step '1. Write documents about invented islands, and chats about them'
"$samples" islands "$islands" 1 > islands.md
"$samples" island-chats "$islands" 1 > chats.txt
"$samples" islands 25 2 > new/islands.md
"$samples" island-questions 25 2 > questions.jsonl

step '2. Find the passages for each question'
run index build islands.md --out islands.index --quiet
run index questions islands.index --data chats.txt --otherwise "$unknown" --context 256 --out chats.jsonl --quiet

step '3. Train a model on them'
rm -f {last.h5,best.h5,log.jsonl}
run train --preset tiny --tied --vocab-size 1024 --context 416 --batch 12 --loss-scope assistant --data chats.jsonl \
    --max-steps "$steps" --eval-every 200 --out .

step '4. Ask it about 25 islands that it has never read of: without the document, and with it'
(cd new; run index build islands.md --out ../new.index --quiet)
run eval best.h5 --task questions.jsonl --quiet
rm -f answers.jsonl
run eval best.h5 --task questions.jsonl --documents new.index --samples answers.jsonl --quiet
right=$(grep -c '"exact_match":true' answers.jsonl || true) all=$(wc -l < answers.jsonl)
echo "   $right of $all facts are answered right from the passages."
awk "BEGIN { exit !($right >= $least * $all) }" || { echo "expected at least $least of them" >&2; exit 1; }

test -n "$port" || exit 0
step '5. Chat with it: choose Documents at the top, and ask about an island of new/islands.md'
run serve best.h5 --documents new.index --database sqlite:slm_chat.db --port "$port"
