package verify

import (
	"net/http"
	"time"
)

var codeProviders = []*Provider{
	{
		Name:     "github",
		Title:    "GitHub",
		Docs:     "https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
		Setup:    "Repository, organization or app settings, Webhooks: make up a random secret and give it as Secret; choose the content type application/json.",
		Deadline: 10 * time.Second,
		Retries:  "none by itself; failed deliveries can be redelivered by hand or through the API for 3 days",
		Evidence: FromSDK,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Hub-Signature-256"),
			Format:    "sha256={hex}",
		}},
		EventID:      []Source{header("X-GitHub-Delivery")},
		EventType:    []Source{header("X-GitHub-Event")},
		ContentTypes: []string{mediaJSON, mediaForm},
		Success:      Any2xx,
		NeverAgain:   true,
		MaxBody:      25 << 20,
		Subscription: []Source{header("X-GitHub-Hook-ID")},
		Methods:      post,
		Ranges:       githubRanges,
	},

	// X-Gitlab-Event-UUID is no event id: the webhooks that one webhook causes have the same.
	{
		Name:         "gitlab-token",
		Title:        "GitLab (secret token)",
		Docs:         "https://docs.gitlab.com/user/project/integrations/webhooks/",
		Setup:        "Project, group or admin area, Settings, Webhooks: make up a random Secret token, enter it there and here.",
		Notes:        "The token is sent as it is: it does not cover the body, and whoever sees one webhook can make others. Where GitLab offers a signing token, take gitlab-signing.",
		Deadline:     10 * time.Second,
		Retries:      "not promised; a webhook that keeps failing is disabled, first for a while, then for good",
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: algorithmToken, Signature: header("X-Gitlab-Token")}},
		EventID:      []Source{header("Idempotency-Key")},
		EventType:    []Source{header("X-Gitlab-Event"), jsonAt("/object_kind")},
		ContentTypes: []string{mediaJSON},
		Success:      Any2xx,
		NeverAgain:   true,
		MaxBody:      25 << 20,
		Methods:      post,
	},
	{
		Name:         "gitlab-signing",
		Title:        "GitLab (signing token)",
		Docs:         "https://docs.gitlab.com/user/project/integrations/webhooks/",
		Setup:        "GitLab 19.0 or newer; project, group or admin area, Settings, Webhooks: the Signing token, whsec_ and base64 of 32 bytes.",
		SecretPrefix: "whsec_",
		Deadline:     10 * time.Second,
		Retries:      "not promised; a webhook that keeps failing is disabled, first for a while, then for good",
		Evidence:     ByHand,
		Schemes:      standardWebhooks("Webhook-")[:1],
		EventID:      []Source{header("Webhook-Id")},
		EventType:    []Source{header("X-Gitlab-Event"), jsonAt("/object_kind")},
		ContentTypes: []string{mediaJSON},
		Success:      Any2xx,
		NeverAgain:   true,
		MaxBody:      25 << 20,
		Methods:      post,
	},

	// Whether X-Request-UUID stays the same for a further attempt, Atlassian does not say.
	{
		Name:     "bitbucket-cloud",
		Title:    "Bitbucket Cloud",
		Docs:     "https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/",
		Setup:    "Repository or workspace settings, Webhooks: enter a Secret or have one generated; Bitbucket does not show it again.",
		Retries:  "some; X-Attempt-Number counts the attempts",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Hub-Signature"),
			Format:    "sha256={hex}",
		}},
		EventType:    []Source{header("X-Event-Key")},
		ContentTypes: []string{mediaJSON},
		MaxBody:      256 << 10,
		Subscription: []Source{header("X-Hook-UUID")},
		Identity:     []Source{header("X-Request-UUID")},
		Methods:      post,
	},
	{
		Name:     "bitbucket-server",
		Title:    "Bitbucket Data Center",
		Docs:     "https://confluence.atlassian.com/bitbucketserver/manage-webhooks-938025878.html",
		Setup:    "Repository or project settings, Webhooks: enter a Secret.",
		Notes:    "Test connection sends a request that is not signed. The proxy answers it, so its success says nothing of the secret.",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Hub-Signature"),
			Format:    "sha256={hex}",
		}},
		EventID:      []Source{header("X-Request-Id")},
		EventType:    []Source{header("X-Event-Key"), jsonAt("/eventKey")},
		ContentTypes: []string{mediaJSON},
		Unique:       "each body has the date of the event beside what it is about",
		Retries:      "none",
		NeverAgain:   true,
		Methods:      post,
		Handshakes: []Handshake{{When: header("X-Event-Key"), Equals: "diagnostics:ping", Absent: header("X-Hub-Signature"), Body: `{"test":true}`,
			Answer: Answer{Status: http.StatusOK}}},
	},

	{
		Name:         "gitea",
		Title:        "Gitea",
		Docs:         "https://docs.gitea.com/usage/webhooks",
		Setup:        "Repository, organization or site administration, Settings, Webhooks: make up a Secret; HTTP method POST, content type application/json.",
		Notes:        "Of a form, the signature covers only the field payload.",
		Retries:      "none; by hand a delivery is replayed with a new id",
		Evidence:     ByHand,
		Schemes:      gogsSchemes("X-Gitea-Signature"),
		EventID:      []Source{header("X-Gitea-Delivery")},
		EventType:    []Source{header("X-Gitea-Event")},
		ContentTypes: []string{mediaJSON, mediaForm},
		Success:      Any2xx,
		NeverAgain:   true,
		Methods:      post,
	},
	{
		Name:         "forgejo",
		Title:        "Forgejo and Codeberg",
		Docs:         "https://forgejo.org/docs/latest/user/webhooks/",
		Setup:        "Repository, organization or site administration, Settings, Webhooks: make up a Secret; HTTP method POST, content type application/json.",
		Notes:        "Of a form, the signature covers only the field payload.",
		Retries:      "none; by hand a delivery is replayed with a new id",
		Evidence:     ByHand,
		Schemes:      gogsSchemes("X-Forgejo-Signature"),
		EventID:      []Source{header("X-Forgejo-Delivery")},
		EventType:    []Source{header("X-Forgejo-Event")},
		ContentTypes: []string{mediaJSON, mediaForm},
		Success:      Any2xx,
		NeverAgain:   true,
		Methods:      post,
	},
	{
		Name:         "gogs",
		Title:        "Gogs",
		Docs:         "https://gogs.io/docs/features/webhook",
		Setup:        "Repository or organization settings, Webhooks: make up a Secret; content type application/json.",
		Notes:        "Of a form, the signature covers only the field payload.",
		Retries:      "none; by hand a delivery is sent again with the same id",
		Evidence:     ByHand,
		Schemes:      gogsSchemes("X-Gogs-Signature"),
		EventID:      []Source{header("X-Gogs-Delivery")},
		EventType:    []Source{header("X-Gogs-Event")},
		ContentTypes: []string{mediaJSON, mediaForm},
		Success:      Any2xx,
		NeverAgain:   true,
		Methods:      post,
	},

	{
		Name:         "phabricator",
		Title:        "Phabricator and Phorge",
		Docs:         "https://we.phorge.it/book/phorge/article/webhooks/",
		Setup:        "Herald, Webhooks, the webhook: View HMAC Key.",
		Notes:        "The webhook says which object changed; what changed has to be asked for through the Conduit API.",
		Deadline:     15 * time.Second,
		Retries:      "as the webhook is set: none, or for ever with a growing delay",
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: "hmac-sha256", Signature: header("X-Phabricator-Webhook-Signature")}},
		EventType:    []Source{jsonAt("/object/type")},
		ContentTypes: []string{mediaJSON},
		Unique:       "each body names the transactions (ids of their own) that caused it and the second in which the request was made",
		Success:      Any2xx,
		Methods:      post,
	},
}

// gogsSchemes are those of Gogs and of what became of it: the JSON document is
// signed, also where it is sent as a field of a form. Gitea and Forgejo send the same
// signature under the names of the others too, of which one is enough.
func gogsSchemes(signature string) []Scheme {
	document := Scheme{Algorithm: "hmac-sha256", Signature: header(signature)}
	field := document
	field.Content = "{form.payload}"
	return []Scheme{field, document}
}
