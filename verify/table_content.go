package verify

var contentProviders = []*Provider{}
