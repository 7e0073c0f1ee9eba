#include "tls/openssl.h"

#include <openssl/err.h>

namespace millrace::tls {

std::string take_openssl_error(std::string otherwise) {
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return otherwise;
    const char* reason = ERR_reason_error_string(code);
    return reason == nullptr ? std::move(otherwise) : reason;
}

}  // namespace millrace::tls
