package verify

var documentProviders = []*Provider{}
