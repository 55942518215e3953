COPY {scratch} (key, size, etag, modified) FROM STDIN
