#!/bin/sh
# Starts Daphne with the variables of a file, for who keeps the site's secrets there. In site.conf:
#     command=/srv/mysite/daphne.sh -e unix:/run/mysite/asgi-%(process_num)d.sock:backlog=1024
set -eu
if [ -r /etc/mysite.env ]; then
    set -a
    . /etc/mysite.env
    set +a
fi
# exec: Daphne takes the place of this script. Otherwise supervisord's signals would end the script alone, and Daphne would
# go on; and a socket on handle 0 (--fd 0) would be left behind in it.
exec /srv/mysite/.venv/bin/python -m daphne --ping-interval 30 --ping-timeout 20 --websocket_connect_timeout 20 --proxy-headers "$@" mysite.asgi:application
