#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "tls/store.h"

namespace millrace::tls {

// Java's own key store, the format that `keytool -storetype JKS` writes: a count of entries, each a
// private key with its certificates or a trusted certificate, and a digest over the password and
// all of it.

bool is_jks(Bytes bytes);

// The first private key of the store. Passwords are those of Java: UTF-16.
Result<Identity> read_jks_identity(const Store& store);

// Its trusted certificates, and of each private key the first certificate, which is what Java
// trusts.
Result<Certificates> read_jks_trusted(const Store& store);

}  // namespace millrace::tls
