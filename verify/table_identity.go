package verify

var identityProviders = []*Provider{}
