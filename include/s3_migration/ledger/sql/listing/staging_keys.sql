SELECT key FROM {staging}
