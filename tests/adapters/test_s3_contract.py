"""Every S3 adapter keeps the port's promises on a real SeaweedFS."""

from __future__ import annotations

import pytest

from cisterna.adapters.s3_boto import S3BotoStore
from cisterna.adapters.s3_minio import S3MinioStore
from cisterna.adapters.s3_obstore import S3Store
from cisterna.ports.object_store import ObjectStore
from cisterna.testing.object_store_contract import ObjectStoreContract
from cisterna.testing.server_copy_contract import CopiedUploadContract, WholeCopyContract


class TestS3Store(ObjectStoreContract):
    @pytest.fixture
    def store(self, object_store: S3Store) -> ObjectStore:
        return object_store


class TestS3BotoStore(ObjectStoreContract):
    @pytest.fixture
    def store(self, boto_store: S3BotoStore) -> ObjectStore:
        return boto_store


class TestS3MinioStore(ObjectStoreContract):
    @pytest.fixture
    def store(self, minio_store: S3MinioStore) -> ObjectStore:
        return minio_store


class TestS3StoreCopies(WholeCopyContract, CopiedUploadContract):
    @pytest.fixture
    def store(self, object_store: S3Store) -> ObjectStore:
        return object_store


# Copied uploads are boto3's in all three.


class TestS3BotoStoreCopies(WholeCopyContract):
    @pytest.fixture
    def store(self, boto_store: S3BotoStore) -> ObjectStore:
        return boto_store


class TestS3MinioStoreCopies(WholeCopyContract):
    @pytest.fixture
    def store(self, minio_store: S3MinioStore) -> ObjectStore:
        return minio_store
