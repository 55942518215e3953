ANALYZE {staging}
