#!/bin/sh
# Starts Daphne with the variables of a file, for sites that keep their secrets there. In site.conf write:
#     command={{ site.directory }}/daphne.sh -e unix:{{ asgi_socket }}:backlog={{ site.asgi_backlog }}
set -eu
if [ -r /etc/{{ site.name }}.env ]; then
    set -a
    . /etc/{{ site.name }}.env
    set +a
fi
# exec: Daphne replaces this script. Otherwise supervisord's signals would end the script but not Daphne, and a socket on
# handle 0 (--fd 0) would stay with the script.
exec {{ site.python }} -m daphne {{ site.daphne_deadlines }} --proxy-headers "$@" {{ site.asgi }}
