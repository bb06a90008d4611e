package filestore

const childEnv = "FILESTORE_TEST_CHILD"

func childMain() {}
