package verify

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The media types that providers send.
const (
	mediaJSON      = "application/json"
	mediaMultipart = "multipart/form-data"
	mediaForm      = "application/x-www-form-urlencoded"
)

// table is all that is known of the providers, sorted by name. A new one is a
// new row in the file of its category, and a file of vectors in testdata.
var table = withTypes(sorted(
	category("Standards", standardProviders),
	category("Payments", paymentProviders),
	category("Payments", billingProviders),
	category("Payments", specialPaymentProviders),
	category("Banking, accounting and crypto", financeProviders),
	category("Banking, accounting and crypto", cryptoProviders),
	category("Banking, accounting and crypto", specialFinanceProviders),
	category("Commerce", commerceProviders),
	category("Commerce", specialCommerceProviders),
	category("Code hosting and delivery", codeProviders),
	category("Code hosting and delivery", deliveryProviders),
	category("Code hosting and delivery", specialCodeProviders),
	category("Cloud, monitoring and AI", cloudProviders),
	category("Cloud, monitoring and AI", aiProviders),
	category("Cloud, monitoring and AI", specialCloudProviders),
	category("Project management", projectProviders),
	category("Project management", specialProjectProviders),
	category("Chat, social and video", chatProviders),
	category("Chat, social and video", chatMediaProviders),
	category("Chat, social and video", specialChatProviders),
	category("Telephony and messaging", telephonyProviders),
	category("Telephony and messaging", specialTelephonyProviders),
	category("Email", emailProviders),
	category("Email", specialEmailProviders),
	category("CRM, support and marketing", crmProviders),
	category("CRM, support and marketing", specialCRMProviders),
	category("Forms, scheduling and documents", documentProviders),
	category("Forms, scheduling and documents", specialDocumentProviders),
	category("Content and media", contentProviders),
	category("Content and media", specialContentProviders),
	category("Identity", identityProviders),
	category("Identity", specialIdentityProviders),
	category("Hiring and people", peopleProviders),
))

// category names the part of the table that rows stand in.
func category(name string, rows []*Provider) []*Provider {
	for _, p := range rows {
		p.Category = name
	}
	return rows
}

// standardWebhooks are the two schemes of the Standard Webhooks specification:
// v1 with a shared secret, v1a with a key pair.
func standardWebhooks(headerPrefix string) []Scheme {
	symmetric := Scheme{
		Algorithm: "hmac-sha256",
		Signature: header(headerPrefix + "Signature"),
		Format:    "v1,{base64} ...",
		Content:   "{id}.{timestamp}.{body}",
		Key:       keyBase64,
		KeyPrefix: "whsec_",
		Timestamp: Timestamp{Source: header(headerPrefix + "Timestamp")},
		ID:        header(headerPrefix + "Id"),
	}
	asymmetric := symmetric
	asymmetric.Algorithm = algorithmEd25519
	asymmetric.Format = "v1a,{base64} ..."
	asymmetric.Key = ""
	asymmetric.KeyPrefix = "whpk_"
	asymmetric.PrivateKeyPrefix = "whsk_"
	return []Scheme{symmetric, asymmetric}
}

// numbered returns a scheme for each of n headers that may have a signature, such
// as X-Signature-1 to X-Signature-9: the header's name ends with the number.
func numbered(n int, s Scheme) []Scheme {
	schemes := make([]Scheme, n)
	for i := range schemes {
		schemes[i] = s
		schemes[i].Signature.Name += strconv.Itoa(i + 1)
	}
	return schemes
}

var post = []string{http.MethodPost}

func header(name string) Source    { return Source{FromHeader, name} }
func jsonAt(pointer string) Source { return Source{FromJSON, pointer} }
func query(name string) Source     { return Source{FromQuery, name} }
func form(name string) Source      { return Source{FromForm, name} }

// jsonEach is what all elements of the list at pointer have at inside.
func jsonEach(pointer, inside string) Source { return Source{fromJSONEach, pointer + " " + inside} }

func sorted(categories ...[]*Provider) []*Provider {
	rows := slices.Concat(categories...)
	slices.SortFunc(rows, func(a, b *Provider) int { return strings.Compare(a.Name, b.Name) })
	return rows
}
