//! DER (X.690), read strictly: definite and shortest lengths, low tag numbers, nothing left over.
//!
//! Not x509-parser's: it passes over what it does not know, and what is passed over here would be approved unseen.

/// What is left of some DER.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Der<'a>(&'a [u8]);

/// Tags: class, constructed or primitive, and number in one byte.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
    /// `[0]`, constructed: the attributes of a PKCS#10 request.
    pub(crate) const ATTRIBUTES: u8 = 0xa0;
}

/// It is not the DER that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MalformedDer;

impl<'a> Der<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tag that comes next.
    pub(crate) fn next_tag(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The content of the next value, whatever its tag is.
    pub(crate) fn any(&mut self) -> Result<(u8, &'a [u8]), MalformedDer> {
        let (tag, rest) = self.0.split_first().ok_or(MalformedDer)?;
        // A tag number over 30 continues in the next byte; nothing here has one.
        if tag & 0x1f == 0x1f {
            return Err(MalformedDer);
        }
        let (length, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(length).ok_or(MalformedDer)?;
        self.0 = rest;
        Ok((*tag, content))
    }

    /// The content of the next value, which has this tag.
    pub(crate) fn bytes(&mut self, tag: u8) -> Result<&'a [u8], MalformedDer> {
        let (found, content) = self.any()?;
        (found == tag).then_some(content).ok_or(MalformedDer)
    }

    /// The next value, which is a collection with this tag.
    pub(crate) fn inside(&mut self, tag: u8) -> Result<Der<'a>, MalformedDer> {
        self.bytes(tag).map(Der)
    }

    /// The next value with its tag and length, for hashing.
    pub(crate) fn whole(&mut self) -> Result<&'a [u8], MalformedDer> {
        let before = self.0;
        self.any()?;
        let length = before.len() - self.0.len();
        before.get(..length).ok_or(MalformedDer)
    }

    /// The bits of a BIT STRING of whole bytes.
    pub(crate) fn bits(&mut self) -> Result<&'a [u8], MalformedDer> {
        match self.bytes(tag::BIT_STRING)?.split_first() {
            Some((0, bits)) => Ok(bits),
            _ => Err(MalformedDer),
        }
    }

    /// A positive INTEGER's bytes without the leading zero that makes it positive.
    pub(crate) fn positive(&mut self) -> Result<&'a [u8], MalformedDer> {
        match self.bytes(tag::INTEGER)? {
            [0, rest @ ..] if rest.first().is_some_and(|byte| byte & 0x80 != 0) => Ok(rest),
            all @ [first, ..] if (1..0x80).contains(first) => Ok(all),
            _ => Err(MalformedDer),
        }
    }

    /// Nothing must be left.
    pub(crate) fn end(&self) -> Result<(), MalformedDer> {
        self.0.is_empty().then_some(()).ok_or(MalformedDer)
    }
}

fn length(bytes: &[u8]) -> Result<(usize, &[u8]), MalformedDer> {
    let (first, rest) = bytes.split_first().ok_or(MalformedDer)?;
    if *first < 0x80 {
        return Ok((usize::from(*first), rest));
    }
    let count = usize::from(*first & 0x7f);
    // 0x80 is BER's indefinite form; more than four bytes is more than anything here is long.
    if !(1..=4).contains(&count) {
        return Err(MalformedDer);
    }
    let (digits, rest) = rest.split_at_checked(count).ok_or(MalformedDer)?;
    let length = digits
        .iter()
        .fold(0, |length, digit| length << 8 | usize::from(*digit));
    let shortest = length >= 0x80 && digits.first() != Some(&0);
    shortest.then_some((length, rest)).ok_or(MalformedDer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_the_shortest_and_within_what_is_there() {
        let read = |bytes: &[u8]| Der::new(bytes).bytes(tag::OCTET_STRING).map(<[u8]>::len);
        assert_eq!(read(&[4, 1, 9]), Ok(1));
        let long = [&[4, 0x81, 0x80][..], &[0; 128]].concat();
        assert_eq!(read(&long), Ok(128));
        for wrong in [
            &[][..],
            &[4],
            &[4, 2, 0],
            &[5, 0],
            &[4, 0x80, 0, 0],
            &[4, 0x81, 1, 0],
            &[4, 0x82, 0, 0x80],
            &[4, 0x85, 0, 0, 0, 0, 1, 0],
            &[4, 0xff],
            &[0x1f, 1, 0],
        ] {
            assert_eq!(read(wrong), Err(MalformedDer), "{wrong:?}");
        }
    }

    #[test]
    fn integers_are_positive_and_the_shortest() {
        let read = |bytes: &[u8]| Der::new(bytes).positive().map(<[u8]>::to_vec);
        assert_eq!(read(&[2, 1, 3]), Ok(vec![3]));
        assert_eq!(read(&[2, 2, 0, 0x80]), Ok(vec![0x80]));
        for wrong in [&[2, 0][..], &[2, 1, 0], &[2, 1, 0x80], &[2, 2, 0, 1]] {
            assert_eq!(read(wrong), Err(MalformedDer), "{wrong:?}");
        }
    }
}
