package verify

var peopleProviders = []*Provider{}
