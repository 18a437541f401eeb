# Stands in for docker.io/library/redis:7.4 where no registry can be reached: the same commands, port, folder and user.
FROM python:3.11-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends redis-server redis-tools \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb \
    && mkdir -p /data && chown 999:999 /data
# The official build answers other hosts without a password; Debian's must be told to.
RUN printf '#!/bin/sh\nexec /usr/bin/redis-server "$@" --protected-mode no\n' > /usr/local/bin/redis-server \
    && printf '#!/bin/sh\ncase "$1" in -*|*.conf) set -- redis-server "$@" ;; esac\nexec "$@"\n' \
        > /usr/local/bin/docker-entrypoint.sh \
    && chmod 755 /usr/local/bin/redis-server /usr/local/bin/docker-entrypoint.sh
WORKDIR /data
USER 999:999
EXPOSE 6379
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["redis-server"]
