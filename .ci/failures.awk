# Reads the output of "go test -v" and prints, for each test that failed, the end of what it wrote.
function end(text) { return length(text) > 6000 ? "…" substr(text, length(text) - 6000) : text }
/^=== (RUN|CONT|NAME)/ { test = $3; next }
/^=== / { next }
/^ *--- (PASS|SKIP): / { next }
/^ *--- FAIL: / { failed[++failures] = $3; next }
/^(ok|FAIL|\?)[ \t]/ {
	for (i = 1; i <= failures; i++) printf "--- FAIL: %s (%s)\n%s", failed[i], $2, end(wrote[failed[i]])
	if ($1 == "FAIL" && !failures) printf "%s", end(wrote[test]) # a panic, or what TestMain found
	failures = 0; test = ""
	delete failed; delete wrote
	if ($1 == "FAIL") print
	next
}
{ wrote[test] = wrote[test] $0 "\n" }
