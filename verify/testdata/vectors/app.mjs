// An application that trusts nobody: it checks each webhook with the provider's
// own library, as its documentation says, and answers 200 or 400. The path names the
// provider. It prints its port, and for each webhook a line of JSON.
import http from "node:http";
import { accepts, stripe } from "./sdks.mjs";

// What Stripe's documentation says, rather than the part of it that takes any body.
const checks = {
  ...accepts,
  stripe: (hook) => { stripe.webhooks.constructEvent(hook.body, hook.headers["stripe-signature"], hook.secret); },
};

const secrets = JSON.parse(process.env.SECRETS);

const server = http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const provider = request.url.slice(1);
  const report = { provider, event: request.headers["webhook-event-id"], attempt: request.headers["webhook-attempt"] };
  try {
    await checks[provider]({
      url: `https://${request.headers.host}${request.url}`, method: request.method,
      headers: request.headers, body: Buffer.concat(chunks), secret: secrets[provider],
    });
    report.verdict = "ok";
    response.writeHead(200).end();
  } catch (err) {
    report.verdict = String(err.message).split("\n")[0];
    response.writeHead(400).end(report.verdict);
  }
  console.log(JSON.stringify(report));
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
