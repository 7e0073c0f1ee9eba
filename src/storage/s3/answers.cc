#include "storage/s3/answers.h"

#include <fmt/core.h>

#include "storage/s3/xml.h"

namespace millrace::storage::s3 {
namespace {

std::unexpected<Error> lacks(std::string_view what) {
    return fail(ErrorCode::kafka_storage_error, fmt::format("the answer has no {}", what));
}

// For a sentence in a log: one line, nothing that a terminal acts on.
std::string printable(std::string_view text) {
    constexpr std::size_t longest = 300;
    std::string out(text.substr(0, std::min(text.find_first_of("\r\n"), longest)));
    for (char& c : out) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
    }
    return out;
}

}  // namespace

Result<Listing> parse_listing(std::string_view body) {
    Listing listing;
    bool is_truncated = false;
    bool is_listing = false;
    RETURN_IF_ERROR(read_xml(body, [&](std::string_view path, std::string_view text) {
        is_listing = is_listing || path.starts_with("ListBucketResult");
        if (path == "ListBucketResult/Contents/Key") listing.keys.emplace_back(text);
        if (path == "ListBucketResult/NextContinuationToken") listing.next = text;
        if (path == "ListBucketResult/IsTruncated") is_truncated = text == "true";
    }));
    if (!is_listing) return lacks("ListBucketResult");
    if (!is_truncated) listing.next.clear();
    if (is_truncated && listing.next.empty()) return lacks("NextContinuationToken");
    return listing;
}

Result<std::string> parse_upload_id(std::string_view body) {
    std::string id;
    RETURN_IF_ERROR(read_xml(body, [&](std::string_view path, std::string_view text) {
        if (path == "InitiateMultipartUploadResult/UploadId") id = text;
    }));
    if (id.empty()) return lacks("UploadId");
    return id;
}

Complaint parse_complaint(std::string_view body) {
    Complaint complaint;
    Result<> read = read_xml(body, [&](std::string_view path, std::string_view text) {
        if (path == "Error/Code") complaint.code = printable(text);
        if (path == "Error/Message") complaint.message = printable(text);
        if (path == "Error/Region") complaint.region = printable(text);
    });
    if (!read) complaint = {.code = {}, .message = printable(body), .region = {}};
    return complaint;
}

bool is_complaint(std::string_view body) {
    bool found = false;
    Result<> read = read_xml(body, [&](std::string_view path, std::string_view) {
        found = found || path.starts_with("Error");
    });
    return found || !read;
}

std::string complete_upload(const std::vector<Part>& parts) {
    std::string body =
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
    for (const Part& part : parts) {
        body += fmt::format(
            "<Part><PartNumber>{}</PartNumber><ETag>{}</ETag>"
            "<ChecksumCRC32C>{}</ChecksumCRC32C></Part>",
            part.number, escape_xml(part.etag), part.crc32c);
    }
    return body + "</CompleteMultipartUpload>";
}

}  // namespace millrace::storage::s3
