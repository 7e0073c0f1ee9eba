#include "env/posix/kernel_tls.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/bytes.h"
#include "env/posix/log.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

namespace millrace::env::posix {
namespace {

// Of this process's kernel, as far as it was asked.
std::atomic<bool> is_missing = false;
std::atomic<bool> is_used = false;

template <typename Info>
bool set_keys(int fd, const TlsKeys& keys, std::uint16_t cipher) {
    Info info{};
    info.info.version = keys.tls_1_3 ? TLS_1_3_VERSION : TLS_1_2_VERSION;
    info.info.cipher_type = cipher;
    std::memcpy(info.key, keys.key.data(), sizeof info.key);
    // ChaCha20-Poly1305 has no salt: all is its iv.
    constexpr std::size_t salt = 12 - sizeof info.iv;
    if constexpr (salt > 0) std::memcpy(info.salt, keys.nonce.data(), salt);
    std::memcpy(info.iv, keys.nonce.data() + salt, sizeof info.iv);
    store_be(info.rec_seq, keys.sequence);
    bool set = setsockopt(fd, SOL_TLS, TLS_TX, &info, sizeof info) == 0;
    explicit_bzero(&info, sizeof info);
    return set;
}

bool set_keys(int fd, const TlsKeys& keys) {
    switch (keys.cipher) {
        case TlsKeys::Cipher::aes_128_gcm:
            return set_keys<tls12_crypto_info_aes_gcm_128>(fd, keys, TLS_CIPHER_AES_GCM_128);
        case TlsKeys::Cipher::aes_256_gcm:
            return set_keys<tls12_crypto_info_aes_gcm_256>(fd, keys, TLS_CIPHER_AES_GCM_256);
        case TlsKeys::Cipher::chacha20_poly1305:
            return set_keys<tls12_crypto_info_chacha20_poly1305>(fd, keys,
                                                                 TLS_CIPHER_CHACHA20_POLY1305);
    }
    return false;
}

void note_missing(int error) {
    if (is_missing.exchange(true)) return;
    LOG_INFO(
        "TLS: OpenSSL encrypts what is sent, as this kernel has no TLS ({}); where it has the "
        "module tls, load that before the node starts",
        std::strerror(error));
}

}  // namespace

bool encrypt_sent(int fd, const TlsKeys& keys) {
    if (is_missing.load(std::memory_order_relaxed)) return false;
    constexpr char name[] = "tls";
    if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, name, sizeof name) != 0) {
        // ENOTCONN and the like are this connection's alone.
        if (errno == ENOENT || errno == ENOPROTOOPT || errno == EOPNOTSUPP) note_missing(errno);
        return false;
    }
    if (!set_keys(fd, keys)) {
        LOG_DEBUG("TLS: the kernel does not take the keys of a connection ({})",
                  std::strerror(errno));
        return false;
    }
    if (!is_used.exchange(true)) LOG_INFO("TLS: the kernel encrypts what is sent");
    return true;
}

ssize_t send_record(int fd, msghdr& message, TlsRecord kind, int flags) {
    alignas(cmsghdr) char control[CMSG_SPACE(1)] = {};
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_TLS;
    header->cmsg_type = TLS_SET_RECORD_TYPE;
    header->cmsg_len = CMSG_LEN(1);
    *CMSG_DATA(header) = static_cast<std::uint8_t>(kind);
    return ::sendmsg(fd, &message, flags);
}

}  // namespace millrace::env::posix
