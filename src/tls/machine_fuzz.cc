#include <cstddef>
#include <cstdint>
#include <openssl/pem.h>

#include "base/bytes.h"
#include "base/check.h"
#include "env/sim/world.h"
#include "tls/machine.h"
#include "tls/profile.h"

// Any bytes from a peer end in an error or in a wait for more: as a handshake, and behind one,
// where the first records are genuine but for those bits that the input turns.
namespace {

using namespace millrace;
using tls::Machine;
using tls::Profile;

constexpr Timestamp now = 1782000000000;

std::string self_signed() {
    tls::KeyPtr key(EVP_EC_gen("P-256"));
    tls::CertificatePtr certificate(X509_new());
    X509_set_version(certificate.get(), X509_VERSION_3);
    ASN1_TIME_set(X509_getm_notBefore(certificate.get()), 0);
    ASN1_TIME_set(X509_getm_notAfter(certificate.get()), 4000000000);
    X509_set_pubkey(certificate.get(), key.get());
    X509_sign(certificate.get(), key.get(), EVP_sha256());
    tls::BioPtr text(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    PEM_write_bio_X509(text.get(), certificate.get());
    char* data = nullptr;
    long size = BIO_get_mem_data(text.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

struct Profiles {
    std::shared_ptr<const Profile> server, client;
};

Profiles make_profiles() {
    tls::Settings settings;
    settings.check_host = false;
    settings.keys.type = settings.trusted.type = tls::StoreType::pem;
    settings.keys.pem = settings.trusted.pem = self_signed();
    Profiles profiles;
    env::sim::World world(1);
    world.run(world.add_node("a"), [&](env::Shard& shard) -> Task<int> {
        profiles.server = *Profile::load(settings, Profile::Side::server, shard.disk(), now);
        profiles.client = *Profile::load(settings, Profile::Side::client, shard.disk(), now);
        co_return 0;
    });
    return profiles;
}

bool shake(Machine& machine, Bytes& input) {
    auto done = machine.handshake(input);
    CHECK(done);
    return *done;
}

void as_handshake(const Profile& profile, Bytes input) {
    Machine machine(profile.open("localhost"), now);
    Bytes none;
    if (!profile.is_server()) shake(machine, none);
    while (!input.empty()) {
        auto done = machine.handshake(input);
        if (!done || *done) return;
    }
}

void behind_handshake(const Profiles& profiles, Bytes input) {
    Machine server(profiles.server->open(""), now);
    Machine client(profiles.client->open("localhost"), now);
    for (bool server_done = false, client_done = false; !server_done || !client_done;) {
        Buffer bytes = client.take_output();
        Bytes to = bytes.bytes();
        server_done = shake(server, to);
        bytes = server.take_output();
        to = bytes.bytes();
        client_done = shake(client, to);
    }
    std::uint8_t plain[300] = {};
    for (std::size_t size : {300U, 1U, 100U}) CHECK(client.encrypt({plain, size}));
    Buffer sent = client.take_output();
    for (std::size_t i = 0; i < input.size() && i < sent.size(); ++i) sent.data()[i] ^= input[i];
    if (input.size() > sent.size()) sent.append(input.subspan(sent.size()));
    // In place, as a stream reads.
    Bytes all = sent.bytes();
    Buffer room;
    room.resize(700);
    while (!all.empty() || server.has_more()) {
        std::size_t held = server.held();
        std::size_t part = 0;
        if (held + 100 < room.size() && !server.has_more()) {
            part = std::min(all.size(), room.size() - held);
            std::copy_n(all.data(), part, room.data() + held);
        } else if (!server.has_more()) {
            return;
        }
        all = all.subspan(part);
        Bytes taken = room.bytes().subspan(std::min(held, room.size()), part);
        auto count = server.decrypt(taken, room.mutable_bytes());
        if (!count || server.ended()) return;
        CHECK(taken.empty() && *count <= room.size());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Profiles profiles = make_profiles();
    if (size == 0) return 0;
    Bytes input(data + 1, size - 1);
    switch (data[0] % 3) {
        case 0:
            as_handshake(*profiles.server, input);
            break;
        case 1:
            as_handshake(*profiles.client, input);
            break;
        default:
            behind_handshake(profiles, input);
    }
    return 0;
}
