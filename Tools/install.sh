#!/bin/sh
# install.sh BINARY PREFIX       installs slm, its man pages and shell completions under PREFIX
# install.sh --remove PREFIX     removes them
set -eu
binary=$1 prefix=$2
man=$prefix/share/man/man1
bash=$prefix/share/bash-completion/completions/slm
zsh=$prefix/share/zsh/site-functions/_slm
fish=$prefix/share/fish/vendor_completions.d/slm.fish

if [ "$binary" = --remove ]; then
    rm -f "$prefix/bin/slm" "$man/slm.1" "$bash" "$zsh" "$fish"
    for page in "$man"/slm-*.1; do if [ -e "$page" ]; then rm -f "$page"; fi; done
    exit 0
fi

for directory in "$prefix/bin" "$man" "$(dirname "$bash")" "$(dirname "$zsh")" "$(dirname "$fish")"; do install -d "$directory"; done
install -m 755 "$binary" "$prefix/bin/slm"
slm=$prefix/bin/slm
"$slm" help --man > "$man/slm.1"
"$slm" help --markdown | sed -n 's/^### slm //p' | while read -r command; do
    # slm-train(1), slm-tokenize-train(1)
    # shellcheck disable=SC2086
    "$slm" help --man $command > "$man/slm-$(echo "$command" | tr ' ' '-').1"
done
"$slm" completion bash > "$bash"
"$slm" completion zsh > "$zsh"
"$slm" completion fish > "$fish"
chmod 644 "$man"/slm*.1 "$bash" "$zsh" "$fish"
echo "slm: installed $slm with its man pages (man slm, man slm-train, …) and completions for bash, zsh and fish"
