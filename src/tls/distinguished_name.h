#pragma once

#include <string>
#include <vector>

#include "tls/openssl.h"

namespace millrace::tls {

// "CN=broker,O=Millrace": RFC 2253 as Java's X500Principal.getName() writes it, which is what
// principals and mapping rules see.
std::string to_string(const X509_NAME& name);
std::string name_of_subject(const X509& certificate);

// The certificate's alternative names, sorted: "DNS:localhost", "IP Address:127.0.0.1".
std::vector<std::string> alternative_names(const X509& certificate);

}  // namespace millrace::tls
