package verify

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash/crc32"
	"strconv"
)

// bodyDigests append what some contents have instead of the body.
var bodyDigests = map[string]func(dst, body []byte) []byte{
	"body_sha256": func(dst, body []byte) []byte {
		sum := sha256.Sum256(body)
		return append(dst, sum[:]...)
	},
	"body_sha256_hex": func(dst, body []byte) []byte {
		sum := sha256.Sum256(body)
		return hex.AppendEncode(dst, sum[:])
	},
	"body_sha256_base64": func(dst, body []byte) []byte {
		sum := sha256.Sum256(body)
		return base64.StdEncoding.AppendEncode(dst, sum[:])
	},
	"body_md5_hex": func(dst, body []byte) []byte {
		sum := md5.Sum(body)
		return hex.AppendEncode(dst, sum[:])
	},
	"body_md5_base64": func(dst, body []byte) []byte {
		sum := md5.Sum(body)
		return base64.StdEncoding.AppendEncode(dst, sum[:])
	},
	"body_crc32": func(dst, body []byte) []byte { // IEEE, as an unsigned decimal number
		return strconv.AppendUint(dst, uint64(crc32.ChecksumIEEE(body)), 10)
	},
}
