#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/remote/object_store.h"
#include "storage/remote/store_settings.h"
#include "storage/s3/answers.h"
#include "storage/s3/transport.h"

namespace millrace::env {
class Disk;
}

namespace millrace::storage::s3 {

// Objects in a bucket of S3, or of what speaks its API: key a/b is the object PREFIXa/b.
//
// An object larger than s3.multipart.upload.part.size goes in parts of that size, one after the
// other; each call holds at most one part in memory. Bodies bear a CRC32C, and without TLS their
// signed SHA-256, so that what was garbled on its way is refused. What may pass is tried again,
// with pauses, most_attempts times in all.
class S3Store final : public remote::ObjectStore {
  public:
    // Reads credentials from `disk` where the settings name a file. `seed` is for the pauses.
    // Nothing is sent yet: a broker starts while its bucket cannot be reached.
    S3Store(remote::S3Settings settings, env::Disk& disk, std::uint64_t seed)
        : settings_(std::move(settings)), disk_(disk), seed_(seed), transport_(settings_) {}

    Result<> put(std::string_view key, remote::ObjectSource& source) override;
    Result<Buffer> get(std::string_view key, std::uint64_t offset, std::uint64_t size) override;
    Result<> remove(std::string_view key) override;
    Result<std::vector<std::string>> list(std::string_view prefix) override;
    void stop() override { transport_.stop(); }

  private:
    // What a call is about, for its sentences: "object a/b", "objects below a/".
    struct Call {
        Request request;
        std::string subject;
        // Statuses that the caller takes besides those below 300.
        std::vector<long> taken{};
        // Whether a body that came with 200 is no success after all.
        bool (*complains)(std::string_view body) = nullptr;
        int attempts = 0;  // made so far
    };
    Result<Response> send(Call& call);
    Result<remote::Credentials> credentials();
    Error error_of(const Call& call, const Response& response) const;
    Error error_of(const Call& call, std::string_view reason) const;

    Result<> put_whole(std::string_view key, remote::ObjectSource& source);
    Result<> put_in_parts(std::string_view key, remote::ObjectSource& source);
    Result<std::string> begin_upload(std::string_view key);
    Result<std::vector<Part>> put_parts(std::string_view key, remote::ObjectSource& source,
                                        std::string_view upload);
    Result<> complete(std::string_view key, std::uint64_t size, std::string_view upload,
                      const std::vector<Part>& parts);
    void abort(std::string_view key, std::string_view upload);
    // Headers that let the server check a body, and the body's CRC32C in base64.
    std::string add_checksums(Request& request, Bytes body) const;
    std::string path_of(std::string_view key) const;

    remote::S3Settings settings_;
    env::Disk& disk_;
    std::uint64_t seed_;
    std::atomic<std::uint64_t> calls_{0};
    Transport transport_;
};

}  // namespace millrace::storage::s3
