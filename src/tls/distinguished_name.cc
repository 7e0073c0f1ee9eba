#include "tls/distinguished_name.h"

#include <algorithm>
#include <fmt/format.h>
#include <openssl/x509v3.h>
#include <string_view>

namespace millrace::tls {
namespace {

// The types of RFC 2253; Java writes any other as its number, and its value in hex.
std::string_view keyword_of(const ASN1_OBJECT* type) {
    switch (OBJ_obj2nid(type)) {
        case NID_commonName:
            return "CN";
        case NID_countryName:
            return "C";
        case NID_localityName:
            return "L";
        case NID_stateOrProvinceName:
            return "ST";
        case NID_organizationName:
            return "O";
        case NID_organizationalUnitName:
            return "OU";
        case NID_streetAddress:
            return "STREET";
        case NID_domainComponent:
            return "DC";
        case NID_userId:
            return "UID";
        default:
            return {};
    }
}

bool is_text(const ASN1_STRING* value) {
    switch (ASN1_STRING_type(value)) {
        case V_ASN1_PRINTABLESTRING:
        case V_ASN1_UTF8STRING:
        case V_ASN1_T61STRING:
        case V_ASN1_IA5STRING:
        case V_ASN1_GENERALSTRING:
        case V_ASN1_BMPSTRING:
        case V_ASN1_UNIVERSALSTRING:
            return true;
        default:
            return false;
    }
}

std::string in_hex(const ASN1_STRING* value) {
    // In DER: the string behind its tag and length.
    ASN1_TYPE typed{};
    typed.type = ASN1_STRING_type(value);
    typed.value.asn1_string = const_cast<ASN1_STRING*>(value);
    std::uint8_t* der = nullptr;
    int size = i2d_ASN1_TYPE(&typed, &der);
    std::string text = "#";
    for (int i = 0; i < size; ++i) text += fmt::format("{:02x}", der[i]);
    OPENSSL_free(der);
    return text;
}

std::string escaped(const ASN1_STRING* value) {
    std::uint8_t* utf8 = nullptr;
    int size = ASN1_STRING_to_UTF8(&utf8, value);
    if (size < 0) {
        (void)take_openssl_error({});
        return in_hex(value);
    }
    std::string_view plain(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
    constexpr std::string_view blanks = " \r";
    std::size_t first = std::min(plain.find_first_not_of(blanks), plain.size());
    std::size_t last = plain.find_last_not_of(blanks);  // none: npos, and all is at the front
    std::string text;
    for (std::size_t i = 0; i < plain.size(); ++i) {
        if (plain[i] == '\0') {
            text += "\\00";
            continue;
        }
        bool is_special = std::string_view(",=+<>#;\"\\").find(plain[i]) != std::string_view::npos;
        if (is_special || i < first || i > last) text += '\\';
        text += plain[i];
    }
    OPENSSL_free(utf8);
    return text;
}

std::string to_string(const X509_NAME_ENTRY* entry) {
    const ASN1_OBJECT* type = X509_NAME_ENTRY_get_object(entry);
    const ASN1_STRING* value = X509_NAME_ENTRY_get_data(entry);
    std::string_view keyword = keyword_of(type);
    if (!keyword.empty()) {
        return fmt::format("{}={}", keyword, is_text(value) ? escaped(value) : in_hex(value));
    }
    char number[80] = {};
    OBJ_obj2txt(number, sizeof number, type, 1);
    return fmt::format("{}={}", number, in_hex(value));
}

}  // namespace

// The last part of the name comes first; parts of one set keep their order.
std::string to_string(const X509_NAME& name) {
    std::string text;
    std::string part;
    int set = -1;
    auto flush = [&] {
        if (set < 0) return;
        if (!text.empty()) part += ',';
        text.insert(0, part);
    };
    for (int i = 0; i < X509_NAME_entry_count(&name); ++i) {
        const X509_NAME_ENTRY* entry = X509_NAME_get_entry(&name, i);
        if (X509_NAME_ENTRY_set(entry) == set) {
            part += '+' + to_string(entry);
            continue;
        }
        flush();
        set = X509_NAME_ENTRY_set(entry);
        part = to_string(entry);
    }
    flush();
    return text;
}

std::string name_of_subject(const X509& certificate) {
    return to_string(*X509_get_subject_name(&certificate));
}

std::vector<std::string> alternative_names(const X509& certificate) {
    std::vector<std::string> names;
    Owned<GENERAL_NAMES, GENERAL_NAMES_free> all(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
        BioPtr text(BIO_new(BIO_s_mem()));
        GENERAL_NAME_print(text.get(), sk_GENERAL_NAME_value(all.get(), i));
        char* data = nullptr;
        long size = BIO_get_mem_data(text.get(), &data);
        names.emplace_back(data, static_cast<std::size_t>(size));
    }
    std::ranges::sort(names);
    return names;
}

}  // namespace millrace::tls
