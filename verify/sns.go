package verify

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/tidwall/gjson"
)

// Amazon SNS signs fields of its JSON, a line for the name and one for the value,
// with a certificate that is published by SNS itself:
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html
var snsMessage = []canonical{{write: writeSNS, reads: []Source{
	jsonAt("/Message"), jsonAt("/MessageId"), jsonAt("/Subject"), jsonAt("/Timestamp"), jsonAt("/TopicArn"), jsonAt("/Type"),
	jsonAt("/SubscribeURL"), jsonAt("/Token"), jsonAt("/SigningCertURL"), jsonAt("/SignatureVersion"),
}}}

var (
	snsType        = jsonAt("/Type")
	snsVersion     = jsonAt("/SignatureVersion")
	snsCertificate = jsonAt("/SigningCertURL")
)

const snsSubscription = "SubscriptionConfirmation"

// snsFields are the signed fields of each type, in order. Subject may be missing.
var snsFields = map[string][]string{
	"Notification":            {"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"},
	snsSubscription:           {"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"},
	"UnsubscribeConfirmation": {"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"},
}

func writeSNS(buf []byte, in *input) ([]byte, *Error) {
	kind, _ := snsType.extract(in.document)
	fields := snsFields[kind]
	if fields == nil {
		return buf, invalidSignature(DetailMalformedPart, snsType.String())
	}
	for _, name := range fields {
		values := in.document.json("/" + name)
		if len(values) == 0 && name == "Subject" {
			if value, _ := in.document.value("/Subject"); value.Type != gjson.Null && value.Type != gjson.String { // which would not be signed
				return buf, invalidSignature(DetailMalformedPart, "json /Subject")
			}
			continue
		}
		if len(values) == 0 {
			return buf, invalidSignature(DetailMissingPart, "json /"+name)
		}
		if len(values) > 1 {
			return buf, ambiguous(DetailAmbiguousMember, "json /"+name)
		}
		// A line break in one of the short fields could pass for the next field.
		if name != "Message" && strings.ContainsAny(values[0], "\r\n") {
			return buf, invalidSignature(DetailMalformedPart, "json /"+name)
		}
		buf = append(append(append(append(buf, name...), '\n'), values[0]...), '\n')
	}
	return buf, nil
}

// snsHost and snsPath are where SNS publishes its certificates, in the regions of
// the partitions aws, aws-cn and aws-us-gov.
var (
	snsTopic = jsonAt("/TopicArn")
	snsHost  = regexp.MustCompile(`\Asns\.[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}\.amazonaws\.com(\.cn)?\z`) // not s3-us-west-2, which may be a bucket
	snsPath  = regexp.MustCompile(`\A/SimpleNotificationService-[0-9a-f]{32}\.pem\z`)
)

var parseSNSCertificate = certificateOf("amazonaws.com")

// locateSNS returns the location of the certificate of webhooks with that SignatureVersion.
// It is where the topic is: SNS signs in each region for the region's own topics.
func locateSNS(version string) keyLocation {
	return func(in *input, _ settings) (*fetch, string, *Error) {
		if got, _ := snsVersion.extract(in.document); got != version {
			return nil, "", invalidSignature(DetailMalformedPart, snsVersion.String())
		}
		arn, _ := snsTopic.extract(in.document)
		text, _ := snsCertificate.extract(in.document)
		u, ok := plainHTTPS(text)
		if !ok || !atTopic(u, arn) || !snsPath.MatchString(u.Path) || u.RawQuery != "" || u.ForceQuery {
			return nil, "", invalidSignature(DetailForeignKeyAddress, snsCertificate.String())
		}
		return &fetch{name: text, url: text, one: true, parse: parseSNSCertificate}, "", nil
	}
}

// atTopic reports whether u is at the host of SNS in the region of the topic with that ARN,
// which is arn:<partition>:sns:<region>:….
func atTopic(u *url.URL, arn string) bool {
	rest, ok := strings.CutPrefix(arn, "arn:aws")
	partition, rest, _ := strings.Cut(rest, ":sns:")
	region, _, _ := strings.Cut(rest, ":")
	host, found := strings.CutPrefix(u.Host, "sns.")
	suffix := ".amazonaws.com"
	if partition == "-cn" {
		suffix = ".amazonaws.com.cn"
	}
	return ok && found && snsHost.MatchString(u.Host) && len(host) == len(region)+len(suffix) &&
		strings.HasPrefix(host, region) && strings.HasSuffix(host, suffix)
}

// plainHTTPS parses an https address without user, port, fragment or anything that
// two readers could understand differently.
func plainHTTPS(text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Port() != "" || u.Opaque != "" {
		return nil, false
	}
	if strings.ContainsAny(text, "\\#@ \t\r\n") || u.String() != text || u.RawPath != "" {
		return nil, false
	}
	return u, true
}

// confirmSNS says yes to a subscription, as the verified request r asks: without
// that no notification comes. It is done before r is answered, so that SNS asks
// again if it fails.
func confirmSNS(v *Verifier, r *Request) Answer {
	d := new(document).open(r, asSent)
	address, _ := jsonAt("/SubscribeURL").extract(d)
	u, ok := plainHTTPS(address)
	arn, _ := snsTopic.extract(d)
	if !ok || !atTopic(u, arn) || u.Path != "/" || u.Query().Get("TopicArn") != arn || u.Query().Get("Action") != "ConfirmSubscription" {
		return Answer{Status: http.StatusForbidden, ContentType: "text/plain", Body: "SubscribeURL is not of SNS\n"}
	}
	if err := v.fetched.visit(r.context(), address); err != nil {
		return Answer{Status: http.StatusServiceUnavailable, ContentType: "text/plain", Body: "the subscription could not be confirmed\n"}
	}
	return Answer{Status: http.StatusOK}
}

// paypalCertificate is where PayPal says that its certificate is.
var paypalCertificate = header("Paypal-Cert-Url")

var (
	paypalHost = regexp.MustCompile(`\Aapi(-m)?(\.sandbox)?\.paypal\.com\z`)
	paypalPath = regexp.MustCompile(`\A/v1/notifications/certs/CERT(-[0-9A-Za-z]{4,32}){2,6}\z`) // CERT-360caa42-fca2a594-a5cafa77
)

var parsePayPalCertificate = certificateOf("paypal.com")

func locatePayPal(in *input, _ settings) (*fetch, string, *Error) {
	text, _ := paypalCertificate.extract(in.document)
	u, ok := plainHTTPS(text)
	if !ok || !paypalHost.MatchString(u.Host) || !paypalPath.MatchString(u.Path) || u.RawQuery != "" || u.ForceQuery {
		return nil, "", invalidSignature(DetailForeignKeyAddress, paypalCertificate.String())
	}
	return &fetch{name: text, url: text, one: true, parse: parsePayPalCertificate}, "", nil
}
