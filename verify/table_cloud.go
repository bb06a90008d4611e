package verify

var cloudProviders = []*Provider{}
