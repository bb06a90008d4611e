package verify

var crmProviders = []*Provider{}
