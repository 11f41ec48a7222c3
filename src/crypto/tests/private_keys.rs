//! Private keys for tests, made by OpenSSL 3.0 and used for nothing else: `openssl genpkey`, `openssl pkcs8
//! -topk8`, `openssl ec`, `openssl rsa -traditional`, `openssl pkey -pubout`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::crypto::Algorithm;

/// The DER between the begin and end lines of `pem`.
pub(crate) fn der(pem: &str) -> Vec<u8> {
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    STANDARD.decode(lines.collect::<String>()).unwrap()
}

/// The key of this file that fits `algorithm`.
pub(crate) fn pem_for(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::ES256 => P256,
        Algorithm::ES384 => P384,
        Algorithm::ES512 => P521,
        Algorithm::EdDSA | Algorithm::Ed25519 => ED25519,
        _ => RSA_2048,
    }
}

/// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`.
pub(crate) const P256: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgulFciSPkmKIiN/p9
Ekc5OvsDuaYVMCI0I/Wy2pKh4eyhRANCAAQvtEr3MLPr417GTGOFKEkIbksyO8F4
C9co8aI3PDk89hkg3XLdOHFq+Jw17EVpp88ptrGw5RbhoIHAgvU0vOiS
-----END PRIVATE KEY-----
";

/// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384`.
pub(crate) const P384: &str = "-----BEGIN PRIVATE KEY-----
MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDAUdn5lDOqthYSisGH0
9R1N8sai1OTMDBTGBAaikegTDGJtRj/WzF7ly6juUkQmjwyhZANiAASpqxbuebhp
XUsqG9c5UemcJBUvxZPikRSuwcAvMVvDQRDzXFaEy1T+pcFcgMDCpOvUem2w0T8r
TLi9TCO6Yy5rdxrAeiJ6f6eYC91S4BrpLJybkLfxDcABdGet3FBt6p8=
-----END PRIVATE KEY-----
";

/// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521`.
pub(crate) const P521: &str = "-----BEGIN PRIVATE KEY-----
MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIBhoczL73+Qv0kmTx8
W1FPnbau22EEd8Ea/B7lIQHftAsuCeaxbkE53r5QEW4539Pdc+lgajRgP0Tln1cm
lMRp0emhgYkDgYYABAHI6NlBDFqRWvh8BhHglw3VDVmEJFPIClTMNbCochcFp2fR
O2k2E5fxOfiBZbOFimgflkqagZp/Ok82l49GADgE4wCp52H2luqJ0WLBS0C3Cmqt
QlfEf5qJIIN5jdKE8bY0A02SNKeh/AvqMu5/5gX7ekPrs0qNn9uwOfTXNsvkLqKR
mA==
-----END PRIVATE KEY-----
";

/// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1`.
pub(crate) const SECP256K1: &str = "-----BEGIN PRIVATE KEY-----
MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQg/WdyELCa8cGc0ah9y0wa
9/lgDd+zvL/Y7mwptAzaZzihRANCAAS2QTTm3/R7HXTHZOyCjmht8r+kF1cCpGLo
aIrTaw4e547ywcv71n1NJ3NlBhwgpMCnf3cVLwlRp1/oOvBfSLz4
-----END PRIVATE KEY-----
";

/// `openssl genpkey -algorithm ED25519`: version 1, without the public half.
pub(crate) const ED25519: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIG2CgAyFqUnwRcRiSznx0rkOqwapB96gW/9UOMApvFz3
-----END PRIVATE KEY-----
";

/// `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048`.
pub(crate) const RSA_2048: &str = "-----BEGIN PRIVATE KEY-----
MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQCmaGjNNmI6HxAM
ah1YaUVvolJcrTz5cQ+uJgAo4mYaVtz6WooN/YxUNvLGFULMSI6mHxELlt7QGOto
FQauOvNPuLRXF1UjnOKjrkEN2dj6kLwVfxXCL3w5kXXQ+DlQ5RWvFr3a+fx2oHnz
EosrdnX7AW7Bg5KfWxQpz6SiBT7c5SZqppUh+o0AZFDGAAniNuDhpS0CjNGsdpbU
IywPuvUuI+G+TNybTA5fvK5/bSBpw0SUMu7rRO1j/6kR+JN7ybke8FkA5+j2wn4Q
VMUaMwnNOQprA7IR/U801TiOqN0ByUSSuqZTBSQvP37oreawlEB/an447FVI+HxX
W267JO8lAgMBAAECggEAILSXmHGOV68AN/hpIRW7lGe6OUXBHKNoegk08dQhTh7x
WnEN/hbtjCWqjFzkXoMKKkMj1fvGee7T4YZ0ZCzo4ivCofVPgerVLmdSmNbOityE
YtMx4xLzHttkZPhMR4Zmvx1AnjeQs33xyeDEonurT3RmILlryU8cxOTvDfrq8n3z
x5C3HXdcpCAy99C//mTvkFmpSX/dbjNgm/wGkppIQPFDeIG2eOw6negT6s1syxiB
SLCk3rI9kArd9Wd2SXXLZ34XZXr3qoYwpUYH14OtPioFnLxNaxVNxvM6cAsJ0Ivk
Hw3hKC1lqrOiO6wKEhPyPmzspviVb3tSCqutqC7BtwKBgQDbpkgP0Pg0qDjDxyzh
mtEVp4XQHZG8wMjewLnAqW5KlgD6G7AFkzDdJGnTl+Jp3NyBf+wVgi2VjejZGxYC
APotKZRabtDYPxCEhXvAHCH1Qg4fFbJuh7nn9EVway6WITqIJ/8CE3BVpyeMdSJT
G4qI9hmUoRv/lct1H4rQofHIVwKBgQDB8nq1unTaUTeQNwHT4Hdk3XX0nfbhKjB1
6iiWDH9FYFjMMUB9vZIpzkQAhTGKvtdkH1vGxVvTxWzhjGLq0cWudKs1XVgz5YAB
cYN3GpjPvVEksoXhPZdO9btt9dXN2L4a0HkdokJ1MQZttcX0WetfELsnG7WniLAf
jh4kuXvG4wKBgG8VUSxuiphW2x5oBJK0MTm6VzpBOgszlGLTJR4Ckfy2kBftGMA5
CGVOnRadoavYPsxfXY4jH9qawj/KKv8ob12Xwadak9RJUJk0yLkHgUT/+xRNbMfp
bGOabePE0PKsK2XglF8AZbdrqdynAIz3SMCrdZRtRjOkFhlNsm6A+D5RAoGAd3gY
Yq1SodD5uxpHQ+63XSiWKnLLyvOkGl59VcCo/WFWEaIdKdeGm731YaSqWd8o6wHu
FMkpwY+RfHZv0FobvVUcyaiQVpd+fGUiKFH346+otkRJ9+9qrzbrl9ahN0XWBMp6
cOisq2fhn98i61wggtTZlEObaHHom+d9Zf3j4yUCgYBhlgjgb8ecwF5oUOR9EYOr
2z1iFlNDy0DwrW9hvJtHasPmtiBv9Yym+Z3w6r1RLHttjQhlhNvfE/QxiGr2bxm/
x3l+EVNWlUakb16ODVttttvFq0y/AnOiflVOXQSODhSaebFpRHKhY6TN955gbeHc
FCaNJCWdWCMTPUFE9s2TGg==
-----END PRIVATE KEY-----
";

/// `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024`: too short.
pub(crate) const RSA_1024: &str = "-----BEGIN PRIVATE KEY-----
MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBAK+5nXSYjzKMdbB4
/Ev5U36YwCbc++nH6hIKUgSIQXESsOmZrxRMGjs7/hS6aXTRH+sDPwwkDoONMANt
G63iK7aAkCl4WxqR8VrDgoZGldGc/CXEnJ2MoGSDlcMlroLUy2BwL64i8Skq2w5/
2oRAE1V2Cc1EnqJnjSUW8xB3QPnJAgMBAAECgYAXtqi071GDtMi9A9aoOgE2eE6V
8ARezAeeX54p1mleZPNS0tZ5mrt/et0S1wUcKoxwHoQHk2YSAp+UFslBceAMC5a+
gxN5BwKUqx/Ve71MlgfjS4w1ejGDojmBsg3p0252rL6ccK4s8GmvloEpPHVT2g/M
cVTumShDCArUnM7twQJBANRY/X7RoIOCbJa21WwEqXrvRrVLHE4GNnSoMwzXioQ2
HTcsUOF1G0R6O+keas5b4ocJAzmuu4a4TF7bQbz74xUCQQDT2VNJ8y9rTdNDeZT2
Rlm1UJEnLzPyVE8QhBXXUSBWXSls9pf6qhb40+mf3C3kJ0m7X4te11uHXONczP3c
yXjlAkA8u5cFBn+aHVthX7l6w3qVponaoDjgN/arNtAjBCKh3bhNZ2dalFvQIgWw
jvqNOsp3RKSfgtIvndZ56svKeWBhAkEA0lsCk/RwinkNpPtuCZjTbPGiICmDyEUk
+P5e/Z1lobwB7Vtyj4kjJFKvsXec7eaBFRgLONJY5TE75iL6lKhNbQJAIBAc3b8H
m50jsZXglPzkDbCTIXfPah7kNv7uvgKYSiaXijZiHNtAiLUHlXqq/Au0dmn4LVXZ
OH7b0S39FgXDEw==
-----END PRIVATE KEY-----
";

/// `openssl genpkey -algorithm RSA-PSS`: its type id-RSASSA-PSS is not supported.
pub(crate) const RSA_PSS_2048: &str = "-----BEGIN PRIVATE KEY-----
MIIEvAIBADALBgkqhkiG9w0BAQoEggSoMIIEpAIBAAKCAQEAqFXtAB9SDmGFK1Tc
rnT/JVbPVkFKz16eB30+8H+zykyAJwvbXI+mRbzvo6taKotcmqGj0h3kvMjp+3PU
7yx7+tkAqp59nHKr2527LdE3iMvF5cQzTwtXnv4Io6bSMDFEc2U0gJhMVBynksG1
5RRHz4UuKGHYzoAIdZKPEwzj0CKs58BmKLu4YtAX0QXDn0uFKxM1IkdEB5ImoyRz
Ig1V97cMg4dnfUgOFIDgF6lX/Ukj0jLZ4Ctnld+zQ4mODFxQzfFWMnBKaYro8UZt
gGhhz0vflxzK7VK7GYqmeuZuukx4MJDceGaRmi3JH4ERqJE2xLDAoLurSIrkq+Ei
5f39+QIDAQABAoIBAALEnvK7O8iGwVTWvruTqu+8lLOQu/UwU3LraVHfwl9s5fKT
watXpV6iM7fs77z2sQgjPk63NSAG7GoOcThER/72UIooXwe9OabmhMHFHfT+53ss
FcKSp4HddYY+DljChqNLImjhmD0N15I/OIl9eDd+XiWbLkspqc9Hy1h/LsPTt0gX
bJY3/lSZl7nFU6I6ZIXKPP2GQQN6979gZViIAL0QtYhvLew6zKzCsIeaAZW2WmHq
k/mWTzp26bSZJgLxbfO3PB05KnGI2s2Iu9bW84dWRMpeCQppjN5ZjzeLahR1flu2
igtC0KAQCcPA1gDAOugq00vMmoXvmgVo+q3l9nECgYEA5bU7oxeDGp5t7HiWd0dM
yH8Gcdviacf9TUajzbUbAdWU+9sVngDCrq3zaHLSpm32cDOXx9LicZvKPjf+DYu6
xr3++k0o2zKMD9Whd5ss0E3BrHN6R9AL7r/1ZKU0RsDjkwIx9VeCqsRSXdDkhbG0
1ktlxRPp46lZkXbqUJT/q70CgYEAu5pl4LABIviVZx8sNoQDyObwoCyFqj9E5ht1
d9VOg2O/vEsn0vhuCUY9BvnVYeOWxuBWXXl2D16ItTh6BBVkHi4SOynJDsLrw46S
BrRY26HlEnGXublJL6tvqzQDAy8eRMkelZ30UddcxEeUcuHSZt9YQSmMGdgs0l9o
CFk8AO0CgYEAlOgrRMpVHshdEdIKGECMMdzGXMDhwRj3x0Rno04nt8Sw06NuHAL6
MSpqg+cLTwAxpQKM/ehjCqqnLDY35qgR6Av6Yl/qgE4AJbOi/FoHbvE4/4XMWwku
8xJVDW1auhMIc6AUqqqT9gdWLaLgwRo11EUEMAF8uSxq97VSp/Iu2zECgYEAlJqM
ArxIWjRA3Guz8QcHnHdaufYqdx4g7Ilptl+wDqHP+k4qIJKLTytlIgZ6gUzvXV/M
6cRRwYDnl21CMcPkB4gFBvplehzq9oATqd3n2SpXsxFp10Mu9uS80wejLz1+o4wQ
fwGcy8tlf1EYBRxeNwDJ/uvzP3Gep5HNbXeJ8U0CgYA7pjTEiCE5Egdp4Tbt4oT8
fAxQSMI8zrJPCwaCC1VmmkJNHdTyVkOFMfonzINQrwx1zTzLdTylFLX76Z0YGLXQ
TfKdrlUgQzG2qPEZ5iQTxWrPw09zsnh7041aJZCWkt+Yv9uzXBt2iSPaF4Cq8tsb
+QbVB5XGQzCyj9OM3kKOlw==
-----END PRIVATE KEY-----
";

/// `openssl rsa -traditional`, of [`RSA_2048`].
pub(crate) const PKCS1: &str = "-----BEGIN RSA PRIVATE KEY-----
MIIEogIBAAKCAQEApmhozTZiOh8QDGodWGlFb6JSXK08+XEPriYAKOJmGlbc+lqK
Df2MVDbyxhVCzEiOph8RC5be0BjraBUGrjrzT7i0VxdVI5zio65BDdnY+pC8FX8V
wi98OZF10Pg5UOUVrxa92vn8dqB58xKLK3Z1+wFuwYOSn1sUKc+kogU+3OUmaqaV
IfqNAGRQxgAJ4jbg4aUtAozRrHaW1CMsD7r1LiPhvkzcm0wOX7yuf20gacNElDLu
60TtY/+pEfiTe8m5HvBZAOfo9sJ+EFTFGjMJzTkKawOyEf1PNNU4jqjdAclEkrqm
UwUkLz9+6K3msJRAf2p+OOxVSPh8V1tuuyTvJQIDAQABAoIBACC0l5hxjlevADf4
aSEVu5RnujlFwRyjaHoJNPHUIU4e8VpxDf4W7Ywlqoxc5F6DCipDI9X7xnnu0+GG
dGQs6OIrwqH1T4Hq1S5nUpjWzorchGLTMeMS8x7bZGT4TEeGZr8dQJ43kLN98cng
xKJ7q090ZiC5a8lPHMTk7w366vJ988eQtx13XKQgMvfQv/5k75BZqUl/3W4zYJv8
BpKaSEDxQ3iBtnjsOp3oE+rNbMsYgUiwpN6yPZAK3fVndkl1y2d+F2V696qGMKVG
B9eDrT4qBZy8TWsVTcbzOnALCdCL5B8N4SgtZaqzojusChIT8j5s7Kb4lW97Ugqr
raguwbcCgYEA26ZID9D4NKg4w8cs4ZrRFaeF0B2RvMDI3sC5wKluSpYA+huwBZMw
3SRp05fiadzcgX/sFYItlY3o2RsWAgD6LSmUWm7Q2D8QhIV7wBwh9UIOHxWyboe5
5/RFcGsuliE6iCf/AhNwVacnjHUiUxuKiPYZlKEb/5XLdR+K0KHxyFcCgYEAwfJ6
tbp02lE3kDcB0+B3ZN119J324Sowdeoolgx/RWBYzDFAfb2SKc5EAIUxir7XZB9b
xsVb08Vs4Yxi6tHFrnSrNV1YM+WAAXGDdxqYz71RJLKF4T2XTvW7bfXVzdi+GtB5
HaJCdTEGbbXF9FnrXxC7Jxu1p4iwH44eJLl7xuMCgYBvFVEsboqYVtseaASStDE5
ulc6QToLM5Ri0yUeApH8tpAX7RjAOQhlTp0WnaGr2D7MX12OIx/amsI/yir/KG9d
l8GnWpPUSVCZNMi5B4FE//sUTWzH6Wxjmm3jxNDyrCtl4JRfAGW3a6ncpwCM90jA
q3WUbUYzpBYZTbJugPg+UQKBgHd4GGKtUqHQ+bsaR0Put10olipyy8rzpBpefVXA
qP1hVhGiHSnXhpu99WGkqlnfKOsB7hTJKcGPkXx2b9BaG71VHMmokFaXfnxlIihR
9+OvqLZESffvaq8265fWoTdF1gTKenDorKtn4Z/fIutcIILU2ZRDm2hx6JvnfWX9
4+MlAoGAYZYI4G/HnMBeaFDkfRGDq9s9YhZTQ8tA8K1vYbybR2rD5rYgb/WMpvmd
8Oq9USx7bY0IZYTb3xP0MYhq9m8Zv8d5fhFTVpVGpG9ejg1bbbbbxatMvwJzon5V
Tl0Ejg4UmnmxaURyoWOkzfeeYG3h3BQmjSQlnVgjEz1BRPbNkxo=
-----END RSA PRIVATE KEY-----
";

/// `openssl ec`, of [`P256`].
pub(crate) const SEC1: &str = "-----BEGIN EC PRIVATE KEY-----
MHcCAQEEILpRXIkj5JiiIjf6fRJHOTr7A7mmFTAiNCP1stqSoeHsoAoGCCqGSM49
AwEHoUQDQgAEL7RK9zCz6+NexkxjhShJCG5LMjvBeAvXKPGiNzw5PPYZIN1y3Thx
avicNexFaafPKbaxsOUW4aCBwIL1NLzokg==
-----END EC PRIVATE KEY-----
";

/// `openssl ec -aes128`, of [`P256`].
pub(crate) const SEC1_ENCRYPTED: &str = "-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,14F9DCB0F178DF636C616615AA3086A9

Ls+HL3LxDkyYQ+NwRD+CPGCFtYT+U/4KARkBpS9szW0t6QmuROJXrwQiEFlo5yBX
jft/yWUEFzHgznaJKGBrcu1E77MnUDiZZdHGZH3/9Fnfu1vabu20LSN1PeNvKL87
j0lnL9MIwmHUHAFWy6pNQQ2eaDXrqaQQd0yLR3n+Rf4=
-----END EC PRIVATE KEY-----
";

/// `openssl pkcs8 -topk8`, of [`ED25519`].
pub(crate) const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAixTvd6X52CpAICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEELasdY5z0neikFJDxeUQH8sEQD/D
7fR1NXoXMg9k0ZB0zzESEBxsTzKPxvbBQfkdyB7GH6ZEXF26/Q7JnQW2E41Obvpl
OadVm0Rz97fs4KAI3gY=
-----END ENCRYPTED PRIVATE KEY-----
";

/// `openssl pkey -pubout`, of [`ED25519`].
pub(crate) const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA90wbI32/Acot1oyT5Hiy5JITqgRhhX+zrSxEBg5Sv80=
-----END PUBLIC KEY-----
";
