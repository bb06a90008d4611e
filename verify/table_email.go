package verify

var emailProviders = []*Provider{}
