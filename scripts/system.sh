#!/usr/bin/env bash
# Sees to what the tests need besides Python packages: Chromium, RabbitMQ, PostgreSQL, Redis, nginx, Apache, npm,
# faketime, and a library for the Node that Playwright brings along. As root it installs Debian's packages of what is
# missing, and starts what doesn't run. For anybody else it only says what is missing; the tests that need it are then skipped.
set -euo pipefail
amqp_port=${AMQP_PORT:-5672} pg_host=${PGHOST:-127.0.0.1} pg_port=${PGPORT:-5432}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() { printf 'system: %s\n' "$*"; }

listens() { # host port
    (exec 3<> "/dev/tcp/$1/$2") 2> /dev/null
}

quietly() { # a command, whose output is only shown if it fails
    "$@" > "$log" 2>&1 < /dev/null || {
        cat "$log"
        say "failed: $*"
        return 1
    }
}

retried() { # a command that may fail for reasons that pass
    quietly "$@" || { say "trying again: $*" && quietly "$@"; }
}

missing=()
[[ -n ${CHROMIUM:-} ]] || command -v chromium > /dev/null || missing+=(chromium)
[[ -n ${TEST_AMQP_URL:-} ]] || listens 127.0.0.1 "$amqp_port" || command -v rabbitmq-server > /dev/null || missing+=(rabbitmq-server)
[[ $(PATH=$PATH:/sbin ldconfig -p) == *libatomic.so.1* ]] || missing+=(libatomic1)
command -v npm > /dev/null || missing+=(npm)
# Programs only: the tests start their own, and what they need of Apache is without a service in this package.
compgen -G '/usr/lib/*/faketime/libfaketime.so.1' > /dev/null || missing+=(faketime)
[[ -x /usr/sbin/nginx ]] || missing+=(nginx)
[[ -x /usr/sbin/apache2 ]] || missing+=(apache2-bin)
command -v systemd-analyze > /dev/null || missing+=(systemd) # reads units, where it doesn't run as well
listens "$pg_host" "$pg_port" || command -v pg_ctlcluster > /dev/null || missing+=(postgresql)
listens 127.0.0.1 6379 || command -v redis-server > /dev/null || missing+=(redis-server)

if [[ $(id -u) != 0 ]]; then
    [[ ${#missing[@]} == 0 ]] || say "missing, and only root can install it: ${missing[*]}"
    exit 0
fi

if [[ ${#missing[@]} != 0 ]]; then
    command -v apt-get > /dev/null || { say "missing: ${missing[*]}" && exit 0; }
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt=(apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
    retried "${apt[@]}" update
    # RUNLEVEL: no package starts its service; those that tests need are started below.
    RUNLEVEL=1 retried "${apt[@]}" install -y --no-install-recommends "${missing[@]}"
fi

if [[ -z ${TEST_AMQP_URL:-} ]] && ! listens 127.0.0.1 "$amqp_port"; then
    say "starting RabbitMQ"
    quietly rabbitmq-server -detached
    quietly timeout 120 rabbitmqctl await_startup
fi

if ! listens 127.0.0.1 6379; then
    say "starting Redis"
    # Nothing of it is kept on disk.
    quietly redis-server --daemonize yes --bind 127.0.0.1 --port 6379 --save '' --appendonly no
fi

if ! listens "$pg_host" "$pg_port"; then
    # The cluster that Debian's package makes, by its version and name ("15 main").
    read -r version cluster _ < <(pg_lsclusters --no-header | awk -v port="$pg_port" '$3 == port') ||
        { say "no PostgreSQL cluster is configured for port $pg_port" && exit 1; }
    say "starting PostgreSQL $version/$cluster"
    quietly pg_ctlcluster --skip-systemctl-redirect "$version" "$cluster" start
fi

# A new cluster knows only the role postgres, and only over its socket: root gets one, so that tests can make databases.
if [[ -z ${PGHOST:-} ]] && ! psql -h 127.0.0.1 -p "$pg_port" -U postgres -w -c 'SELECT 1' postgres > /dev/null 2>&1 &&
    ! psql -p "$pg_port" -U root -w -c 'SELECT 1' postgres > /dev/null 2>&1; then
    say "giving root a role in PostgreSQL"
    quietly runuser -u postgres -- psql -p "$pg_port" -d postgres -c 'CREATE ROLE root LOGIN SUPERUSER'
fi
