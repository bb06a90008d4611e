package hostile

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestForgedListsCostLittle: a stranger sends lists of half a million elements to endpoints whose
// webhooks are lists with signatures inside, or a token of as many claims. Each takes no more memory
// than a small multiple of its size; it was two hundred times as much.
func TestForgedListsCostLittle(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, `
		webhooks /adyen adyen-payments {
			secret 44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056
			require_https off
			forward `+app.Address+`
		}
		webhooks /graph ms-graph {
			secret `+strings.Repeat("s", 32)+`
			require_https off
			forward `+app.Address+`
		}
	`, "")
	const size, count, most = 1 << 20, 16, 16
	zeros := strings.Repeat(",0", size/2-200) + "]}"
	for path, body := range map[string]string{
		"/adyen": `{"notificationItems":[{"NotificationRequestItem":{"pspReference":"1","merchantAccountCode":"a","merchantReference":"r","amount":{"value":1,"currency":"EUR"},` +
			`"eventCode":"AUTHORISATION","success":"true","additionalData":{"hmacSignature":"` + strings.Repeat("eHh4", 10) + `eHg="}}}` + zeros,
		"/graph": `{"value":[{"clientState":"x"}` + zeros,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var senders sync.WaitGroup
		for range count {
			senders.Go(func() {
				r := c.Request(http.MethodPost, c.Site+path, body)
				r.Header.Set("Content-Type", "application/json")
				response, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				defer response.Body.Close()
				if text, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusUnauthorized {
					t.Errorf("%s: answered %d %s", path, response.StatusCode, text)
				}
			})
		}
		senders.Wait()
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / count; each > most*size {
			t.Errorf("%s: each body of a MiB took %d MiB", path, each>>20)
		} else {
			t.Logf("%s: %d KiB each", path, each>>10)
		}
	}
}
