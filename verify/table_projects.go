package verify

var projectProviders = []*Provider{}
