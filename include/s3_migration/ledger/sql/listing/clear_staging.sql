TRUNCATE {legacy}, {production}, {rows}
