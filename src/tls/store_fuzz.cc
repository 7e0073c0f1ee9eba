#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/check.h"
#include "tls/store.h"

// Any bytes are a store of some format or an Error, with and without passwords.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace;
    std::string bytes(as_string({data, size}));
    for (auto type : {tls::StoreType::jks, tls::StoreType::pem}) {
        for (const char* password : {"store-secret", ""}) {
            tls::Store store{type, bytes, std::nullopt, std::nullopt};
            if (*password != '\0') store.password = password;
            if (auto identity = tls::read_identity(store)) CHECK(!identity->chain.empty());
            if (auto trusted = tls::read_trusted(store)) CHECK(!trusted->empty());
        }
    }
    return 0;
}
