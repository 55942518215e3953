COPY {staging} (key, size, etag, modified) FROM STDIN
