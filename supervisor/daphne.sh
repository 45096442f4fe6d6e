#!/bin/sh
# Starts Daphne with the variables of a file, for sites that keep their secrets there. In site.conf write:
#     command=/srv/mysite/daphne.sh -e unix:/run/mysite/asgi-%(process_num)d.sock:backlog=1024
set -eu
if [ -r /etc/mysite.env ]; then
    set -a
    . /etc/mysite.env
    set +a
fi
# exec: Daphne replaces this script. Otherwise supervisord's signals would end the script but not Daphne, and a socket on
# handle 0 (--fd 0) would stay with the script.
exec /srv/mysite/.venv/bin/python -m daphne --ping-interval 30 --ping-timeout 20 --websocket_connect_timeout 20 --proxy-headers "$@" mysite.asgi:application
