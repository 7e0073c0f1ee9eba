#pragma once

#include <memory>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string>
#include <vector>

namespace millrace::tls {

// Owners of OpenSSL's objects.
template <auto free>
struct Free {
    template <typename T>
    void operator()(T* object) const {
        free(object);
    }
};
template <typename T, auto free>
using Owned = std::unique_ptr<T, Free<free>>;

using CertificatePtr = Owned<X509, X509_free>;
using KeyPtr = Owned<EVP_PKEY, EVP_PKEY_free>;
using BioPtr = Owned<BIO, BIO_free>;
using Certificates = std::vector<CertificatePtr>;

// The first reason on OpenSSL's queue of this thread, "wrong version number", which is emptied;
// `otherwise` when it is empty.
std::string take_openssl_error(std::string otherwise);

}  // namespace millrace::tls
