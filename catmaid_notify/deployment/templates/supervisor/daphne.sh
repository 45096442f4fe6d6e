#!/bin/sh
# Starts Daphne with the variables of a file, for who keeps the site's secrets there. In site.conf:
#     command={{ site.directory }}/daphne.sh -e unix:{{ asgi_socket }}:backlog={{ site.asgi_backlog }}
set -eu
if [ -r /etc/{{ site.name }}.env ]; then
    set -a
    . /etc/{{ site.name }}.env
    set +a
fi
# exec: Daphne takes the place of this script. Otherwise supervisord's signals would end the script alone, and Daphne would
# go on; and a socket on handle 0 (--fd 0) would be left behind in it.
exec {{ site.python }} -m daphne {{ site.daphne_deadlines }} --proxy-headers "$@" {{ site.asgi }}
