package verify

import "net/http"

var specialPaymentProviders = []*Provider{
	{
		Name:     "adyen-payments",
		Title:    "Adyen (standard payment webhooks)",
		Docs:     "https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures",
		Setup:    "The HMAC key of the webhook: Customer Area, Developers, Webhooks, the webhook, Security, HMAC Key, Generate.",
		Notes:    "The signature of each item covers its reference fields, amount, event code and success, and nothing else of it. The body has no id of the event: repeats are told by their content.",
		Evidence: FromSDK,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: jsonAt("/notificationItems/0/NotificationRequestItem/additionalData/hmacSignature"),
			Format:    "{base64}",
			Key:       keyHex,
			special: &items{
				list:      "/notificationItems",
				signature: "/NotificationRequestItem/additionalData/hmacSignature",
				content:   adyenContent,
			},
		}},
		EventType:    []Source{jsonAt("/notificationItems/0/NotificationRequestItem/eventCode")},
		ContentTypes: []string{mediaJSON},
		Unique:       "each item has pspReference, eventCode, success and eventDate; what Adyen sends again under the same references with other details is taken",
		Success:      Any2xx,
		Retries:      "3 times within a minute, then after 2, 5, 10, 15, 30 minutes, 1, 2, 4, 8 hours and so on for up to 30 days",
		Methods:      post,
		Accepted:     Answer{Status: http.StatusOK, ContentType: "text/plain", Body: "[accepted]"},
	},
	// The key is the SHA-1 of the private key. The libraries try the payload with a line
	// break at its end, too. The challenge could be a payload if it were not so short and
	// made of other characters than base64 usually is.
	{
		Name:     "braintree",
		Title:    "Braintree",
		Docs:     "https://developer.paypal.com/braintree/docs/guides/webhooks/parse",
		Setup:    "The API's Private Key as secret and its Public Key as option public_key (Control Panel, API). The proxy answers the verification of the URL.",
		Notes:    "The payload is XML in base64: its id and type are not read, repeats are told by their content. Its signed time is that of the event, and is not checked, since repeats keep it.",
		Evidence: FromSDK,
		Settings: []Setting{{Name: "public_key", Required: true, Doc: "The API's Public Key, from the Control Panel, API."}},
		Schemes: []Scheme{{
			Algorithm:    "hmac-sha1",
			Signature:    form("bt_signature"),
			Format:       "{setting.public_key}|{hex}&...",
			Content:      "{form.bt_payload}",
			Alternatives: []string{"{form.bt_payload}\n"},
			Key:          keySHA1,
		}},
		ContentTypes: []string{mediaForm},
		Unique:       "bt_payload has the time, the kind and the subject of the event, which a retry keeps",
		Success:      Any2xx,
		Retries:      "hourly for 24 hours in production, for 3 hours in the sandbox",
		Methods:      post,
		Handshakes: []Handshake{{
			Method: http.MethodGet, When: query("bt_challenge"), Sign: "{query.bt_challenge}", Pattern: "[a-f0-9]{20,32}",
			Answer: Answer{Status: http.StatusOK, ContentType: "text/plain", Body: "{setting.public_key}|{hex}"},
		}},
	},
	// The unit of the time was milliseconds in some webhooks and seconds in others.
	{
		Name:     "mercado-pago",
		Title:    "Mercado Pago",
		Docs:     "https://www.mercadopago.com/developers/en/docs/your-integrations/notifications/webhooks",
		Setup:    "The secret signature of the application (Your integrations, the application, Webhooks). The URL must keep the query that Mercado Pago adds.",
		Notes:    "The signature covers data.id of the query, the request id and the time; not the body. Fetch what the body tells about from the API. Notifications of QR codes are not signed.",
		Evidence: FromSDK,
		Schemes: []Scheme{
			mercadoPagoScheme(UnitSeconds), mercadoPagoScheme(UnitMilliseconds),
		},
		EventID:      []Source{jsonAt("/id")},
		EventType:    []Source{jsonAt("/action"), jsonAt("/type")},
		ContentTypes: []string{mediaJSON},
		Success:      Only200,
		Retries:      "every 15 minutes at first, then at growing intervals; deadline 22 seconds",
		Methods:      post,
	},
	{
		Name:     "paddle-classic",
		Title:    "Paddle Classic",
		Docs:     "https://classic.paddle.com/webhooks/verifying-webhooks/",
		Setup:    "Your Public Key as public_key (Seller Dashboard, Developer Tools, Public Key).",
		Notes:    "The signature is RSA with SHA-1, and covers all fields, without a time.",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "rsa-sha1",
			Signature: form(paddleSignature),
			Format:    "{base64}",
			canonical: paddleClassic,
		}},
		EventID:      []Source{form("alert_id")},
		EventType:    []Source{form("alert_name")},
		ContentTypes: []string{mediaForm},
		Success:      Only200,
		Retries:      "repeatedly for up to 72 hours",
		Methods:      post,
	},
	// The time is that of the transmission, not of the event.
	{
		Name:     "paypal",
		Title:    "PayPal",
		Docs:     "https://developer.paypal.com/api/rest/webhooks/rest/",
		Setup:    "The webhook's id as option webhook_id (Developer Dashboard, Apps & Credentials, the app, Webhooks). There is no secret; PayPal's certificate is fetched.",
		Notes:    "Of the body only a checksum (CRC-32) is signed, for which another body can be found: within the tolerance whoever saw one webhook could send another. Fetch what matters from the API. The webhooks of PayPal's simulator are not signed for a webhook's id.",
		Retries:  "up to 25 times over 3 days",
		Evidence: ByHand,
		Settings: []Setting{{Name: "webhook_id", Required: true, Doc: "The id of the webhook, from the app's page in the Developer Dashboard."}},
		Schemes: []Scheme{{
			Algorithm: algorithmRSA,
			Signature: header("Paypal-Transmission-Sig"),
			Format:    "{base64}",
			Content:   "{header.Paypal-Transmission-Id}|{timestamp}|{setting.webhook_id}|{body_crc32}",
			Timestamp: Timestamp{header("Paypal-Transmission-Time"), UnitRFC3339},
			locate:    locatePayPal,
			shape:     keyShape{wrong: wrongPayPal},
			reads:     []Source{paypalCertificate},
		}},
		EventID:      []Source{jsonAt("/id")},
		EventType:    []Source{jsonAt("/event_type")},
		ContentTypes: []string{mediaJSON},
		Success:      Any2xx,
		Methods:      post,
	},
}

func mercadoPagoScheme(unit string) Scheme {
	return Scheme{
		Algorithm: "hmac-sha256",
		Signature: header("X-Signature"),
		Format:    "ts={timestamp},v1={hex}",
		Timestamp: Timestamp{Unit: unit},
		canonical: mercadoPago,
	}
}
