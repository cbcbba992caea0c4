#!/bin/bash
# dockerfile_steps.sh FOLDER [TOOLCHAIN]    carries out deploy/Dockerfile without a container engine, in a folder, as root
#
# Each stage starts from a copy of a Debian system that debootstrap makes; a toolchain (the folder with usr/bin/swift) stands in for the image
# swift:6.3-bookworm. RUN, COPY, ENV, WORKDIR and USER instructions are carried out in order. At the end the server of the final stage is started
# with its ENTRYPOINT, CMD, USER and a root that cannot be written, and asked with its HEALTHCHECK. MODEL is a checkpoint. Takes half an hour of one
# core; PACKAGE=FILE.deb takes this package instead of building one (`make deb`).
set -euo pipefail
folder=$(realpath -m "$1") toolchain=$(realpath "${2:-/opt/swift}")
source=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$folder"

[ -d "$folder/base" ] || debootstrap --variant=minbase bookworm "$folder/base.part" http://deb.debian.org/debian
[ -d "$folder/base" ] || mv "$folder/base.part" "$folder/base"

mounted=()
cleanup() { for place in "${mounted[@]}"; do umount -l "$place" 2> /dev/null || true; done; }
trap cleanup EXIT
mounts() { # ROOT
    mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"; mount --make-rslave "$1/dev"
    mounted+=("$1/dev" "$1/proc")
    cp /etc/resolv.conf "$1/etc/resolv.conf"
}

# What the image of the toolchain has: the packages that Swift's own Dockerfile for Debian 12 installs, and the toolchain in /usr.
prepare_toolchain() { # ROOT
    chroot "$1" sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends binutils-gold ca-certificates \
        gcc git g++ libcurl4-openssl-dev libedit-dev libncurses-dev libpython3-dev libsqlite3-dev libstdc++-12-dev libxml2-dev pkg-config tzdata uuid-dev zlib1g-dev' > /dev/null
    mkdir -p "$1/opt/swift"; mount --bind "$toolchain" "$1/opt/swift"; mounted+=("$1/opt/swift")
}

declare -A roots
name='' root='' workdir=/ user=root variables=() entrypoint='' command='' health='' number=0
run() { # SCRIPT
    echo "+ [$name] $1" >&2
    chroot "$root" env -i "PATH=/opt/swift/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root "${variables[@]}" sh -c "cd $workdir && $1"
}
# A line with its continuations, without comments.
instructions() { sed -e '/^[[:space:]]*#/d' "$source/deploy/Dockerfile" | sed -e ':a' -e '/\\$/N; s/\\\n//; ta' | sed '/^[[:space:]]*$/d'; }
json() { python3 -c 'import json, shlex, sys; print(shlex.join(json.loads(sys.argv[1])))' "$1"; }

# Not from standard input, which the commands in the folder would read.
while read -r instruction rest <&9; do
    case $instruction in
        FROM)
            number=$((number + 1)); name=$number
            case $rest in *" AS "*) name=${rest##* AS } ;; esac
            root=$folder/$name; roots[$name]=$root; workdir=/ user=root variables=()
            if [ ! -d "$root" ]; then cp -a "$folder/base" "$root.part"; mv "$root.part" "$root"; fi
            mounts "$root"
            case $rest in swift:*) prepare_toolchain "$root" ;; esac ;;
        WORKDIR) workdir=$rest; mkdir -p "$root$workdir" ;;
        ENV) read -ra more <<< "$rest"; variables+=("${more[@]}") ;;
        USER) user=$rest ;;
        COPY)
            read -ra paths <<< "$rest"
            target=$root$workdir/${paths[-1]}; unset 'paths[-1]'
            ignored=$(sed '/^#/d; s|^\*\*/||; s|^|--exclude=|' "$source/.dockerignore")
            # shellcheck disable=SC2086
            for path in "${paths[@]}"; do tar -C "$source" $ignored -cf - "$path" | tar -C "$target" -xf - --no-same-owner; done ;;
        RUN)
            if [ -n "${PACKAGE:-}" ] && [[ $rest = *"make deb"* ]]; then
                mkdir -p "$root$workdir/.build"; cp "$PACKAGE" "$root$workdir/.build/slm_0_amd64.deb"; rest=${rest//make deb/true}
            fi
            case $rest in
                --mount=type=bind,*)
                    mount_options=,${rest%% *}
                    from=${mount_options##*,from=}; path=${mount_options##*,source=}; target=${mount_options##*,target=}
                    from=${from%%,*} path=${path%%,*} target=${target%%,*}
                    mkdir -p "$root$target"; mount --bind "${roots[$from]}$path" "$root$target"; mounted+=("$root$target")
                    run "${rest#* }" ;;
                *) run "$rest" ;;
            esac ;;
        HEALTHCHECK) health=$(json "${rest#*CMD }") ;;
        ENTRYPOINT) entrypoint=$(json "$rest") ;;
        CMD) command=$(json "$rest") ;;
        VOLUME|EXPOSE|LABEL|STOPSIGNAL) ;;
        *) echo "unknown instruction $instruction" >&2; exit 1 ;;
    esac
done 9< <(instructions)

# The server, as the engine would start it: without rights, with a root that cannot be written.
cp "${MODEL:?set MODEL to a checkpoint}" "$root/tmp/model.h5"; chmod 644 "$root/tmp/model.h5"
mkdir -p "$folder/view"; mount --bind "$root" "$folder/view"; mounted+=("$folder/view")
mount -o remount,bind,ro "$folder/view"
mount --bind "$root/data" "$folder/view/data"; mounted+=("$folder/view/data")
mount -t proc proc "$folder/view/proc"; mounted+=("$folder/view/proc")
mount --bind /dev/null "$folder/view/dev/null" 2> /dev/null && mounted+=("$folder/view/dev/null")
as_user() {
    chroot "$folder/view" setpriv --reuid="${user%%:*}" --regid="${user##*:}" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \
        env -i PATH=/usr/bin:/bin HOME=/data "${variables[@]}" SLM_CHECKPOINT=/tmp/model.h5 SLM_PORT="${PORT:-8000}" sh -c "cd $workdir && exec $1"
}
as_user "$entrypoint $command" & server=$!
health=${health/8000/${PORT:-8000}}
for _ in $(seq 100); do if as_user "$health" 2> /dev/null; then healthy=1; break; fi; sleep 0.2; done
[ -n "${healthy:-}" ] || { echo "the server does not become healthy" >&2; exit 1; }
if as_user "touch /written" 2> /dev/null; then echo "the root can be written" >&2; exit 1; fi
kill -TERM "$(pgrep -P "$server" slm || echo "$server")"
wait "$server"
ls -l "$root/data"
du -sh --exclude=proc --exclude=dev "$root" | cut -f1
echo "deploy/Dockerfile: every instruction was carried out, the server ran as $user with a root that cannot be written, and stopped at SIGTERM"
