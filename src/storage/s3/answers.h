#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::storage::s3 {

// What S3 says in the bodies of its answers (REST API of 2006-03-01). kafka_storage_error: the body
// is not what it should be.

// ListObjectsV2.
struct Listing {
    std::vector<std::string> keys;
    std::string next;  // continuation-token of the next page; empty at the end
};
Result<Listing> parse_listing(std::string_view body);

// CreateMultipartUpload.
Result<std::string> parse_upload_id(std::string_view body);

// Of any answer that is an error; empty fields where the body, which may be no XML, has none.
struct Complaint {
    std::string code;     // NoSuchKey
    std::string message;  // first line, printable, 300 bytes at most
    std::string region;   // where the bucket is, when that is the complaint
};
Complaint parse_complaint(std::string_view body);
// CompleteMultipartUpload may answer 200 and complain in the body: whether this one does.
bool is_complaint(std::string_view body);

struct Part {
    int number = 0;      // from 1
    std::string etag;    // as the server gave it
    std::string crc32c;  // base64
};
// The body of CompleteMultipartUpload.
std::string complete_upload(const std::vector<Part>& parts);

}  // namespace millrace::storage::s3
