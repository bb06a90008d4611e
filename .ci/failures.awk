# Reads the output of "go test -v" and prints, for each test that failed, what it wrote.
/^=== (RUN|CONT|NAME)/ { test = $3; next }
/^=== / { next }
/^ *--- (PASS|SKIP): / { next }
/^ *--- FAIL: / { failed[++failures] = $3; next }
/^(ok|FAIL|\?)[ \t]/ {
	for (i = 1; i <= failures; i++) printf "--- FAIL: %s (%s)\n%s", failed[i], $2, substr(wrote[failed[i]], 1, 4000)
	failures = 0; test = ""
	delete failed; delete wrote
	if ($1 == "FAIL") print
	next
}
{ wrote[test] = wrote[test] $0 "\n" }
