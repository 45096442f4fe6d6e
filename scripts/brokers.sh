#!/usr/bin/env bash
# Runs the tests of the channel layer on several versions of RabbitMQ: scripts/brokers.sh <pytest command ...>
#
# The installed one, that of Debian stable (4.0), and that of Debian unstable (4.3 or newer) with the features refused
# that RabbitMQ is about to take away. The newer ones live in folders below build/brokers, made once by debootstrap
# from the mirror that this machine's apt uses; nothing is installed on the machine itself but debootstrap. Where that
# isn't possible (no root, no network, no Debian) their tests are skipped, and the last line counts what was.
# BROKERS="installed trixie sid" picks some; with CI=true a version that can't be had is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=build/brokers
passed=() failed=() skipped=()

say() { printf 'brokers: %s\n' "$*"; }

mirror() { # prints the address of the Debian archive that apt uses
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
        awk -F'|' '$1 == "Debian" && $2 == "Debian" && !found { print $3; found = 1 }'
}

obtain() { # a suite; makes its folder if it isn't there, or sets reason
    local made="$folder/$1" part="$folder/$1.part" address
    [[ -x $made/usr/lib/rabbitmq/bin/rabbitmq-server ]] && return
    reason="needs Debian's apt-get and unshare"
    command -v apt-get > /dev/null && command -v unshare > /dev/null || return 1
    mkdir -p "$folder"
    if ! command -v debootstrap > /dev/null; then
        say "installing debootstrap"
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 \
            debootstrap > "$folder/apt.log" 2>&1 < /dev/null ||
            { reason="debootstrap can't be installed, see $folder/apt.log" && return 1; }
    fi
    address=$(mirror)
    reason="this machine's apt knows no archive of Debian"
    [[ -n $address ]] || return 1
    say "fetching RabbitMQ from Debian's $1 (once, about a minute)"
    rm -rf "$part"
    debootstrap --variant=minbase --include=rabbitmq-server "$1" "$part" "$address" > "$folder/$1.log" 2>&1 < /dev/null ||
        { reason="debootstrap failed, see $folder/$1.log" && return 1; }
    echo "127.0.0.1 localhost" > "$part/etc/hosts"
    rm -rf "$part"/var/cache/apt/archives/*.deb "$part"/var/lib/apt/lists/* "$part/etc/apt/sources.list"
    mv "$part" "$made"
}

run() { # name, then the pytest command
    local name=$1 version code=0
    shift
    if [[ -n ${TEST_BROKER_ROOT:-} ]]; then
        version=$(chroot "$TEST_BROKER_ROOT" dpkg-query -W -f '${Version}' rabbitmq-server)
    else
        version=$(dpkg-query -W -f '${Version}' rabbitmq-server 2> /dev/null || true)
    fi
    version=${version#*:} version=${version%%[-+]*}
    say "$name: RabbitMQ ${version:-of unknown version}"
    TEST_BROKER_VERSION=$version "$@" || code=$?
    if [[ $code == 0 ]]; then passed+=("$name ${version}"); else failed+=("$name ${version}"); fi
}

skip() { # name, reason
    say "$1: skipped: $2"
    skipped+=("$1 ($2)")
}

for name in ${BROKERS:-installed trixie sid}; do
    reason=""
    case $name in
        installed)
            if [[ -x ${RABBITMQ_BIN:-/usr/lib/rabbitmq/bin}/rabbitmq-server ]]; then
                run "$name" "$@"
            else
                skip "$name" "no rabbitmq-server"
            fi
            ;;
        *)
            if [[ $(id -u) != 0 ]]; then
                skip "$name" "only root can make and enter its folder"
            elif ! obtain "$name"; then
                skip "$name" "$reason"
            else
                refused=""
                if [[ $name == sid ]]; then
                    refused="deprecated_features.permit.transient_nonexcl_queues = false"
                    refused+=$'\n'"deprecated_features.permit.global_qos = false"
                fi
                TEST_BROKER_ROOT="$PWD/$folder/$name" TEST_BROKER_CONFIG=$refused run "$name" "$@"
            fi
            ;;
    esac
done

list() { local IFS=,; printf '%s' "$*" | sed 's/,/, /g'; }
say "${#passed[@]} passed: $(list "${passed[@]:-none}"); ${#failed[@]} failed: $(list "${failed[@]:-none}"); ${#skipped[@]} skipped: $(list "${skipped[@]:-none}")"
[[ ${#failed[@]} == 0 ]] || exit 1
[[ ${#skipped[@]} == 0 || ${CI:-} != true ]] || exit 1
