package verify

var financeProviders = []*Provider{}
