TRUNCATE {staging}
